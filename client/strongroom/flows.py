"""What a client does, step by step, without I/O: generators that yield requests and get answers.

`Vault` and `AsyncVault` drive the same flows, each over its own transport. A refused request is
raised inside the flow, which may go another way. The steps are those of docs/protocol.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from strongroom import attempts, sealed_key
from strongroom.errors import (
    HsmUnavailable,
    KeyDestroyed,
    KeyReplaced,
    LastAttemptUnderWay,
    NoKey,
    ProtectionUncertain,
    RehearsalFailed,
    RehearsalUnfinished,
    RollbackDetected,
    ScopeMissing,
    StateExpired,
    StoreUnavailable,
    VaultBusy,
    VaultInternalError,
    VaultParametersRefused,
    VaultProtocolError,
    VaultUnreachable,
    WrongPassword,
    WrongVault,
)
from strongroom.passwords import normalise
from strongroom.requests import (
    ActiveKey,
    DeleteKey,
    DestroyedKey,
    FinishRecovery,
    FinishRegistration,
    GetKey,
    GetVault,
    KeyStatus,
    RecoveryStarted,
    Registered,
    Request,
    StartRecovery,
    StartRegistration,
    VaultInfo,
)
from strongroom.sealed_key import Binding
from strongroom.stretching import Stretcher, Stretching
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import (
    EnvelopeRecoveryError,
    OpaqueError,
    ServerAuthenticationError,
)
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.attempts import PendingAttempt
    from strongroom.requests import RegistrationStarted
    from strongroom_protocol.opaque.ksf import Argon2id

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Flow: TypeAlias = Generator[Request[Any], Any, Result]

SERVER_IDENTITY_PREFIX: Final = b"strongroom/v1/"
ENVELOPE_DID_NOT_OPEN: Final = bytes(32)
"""KE3 of a client that has no proof: it reports a wrong password."""

DECIDED: Final = (WrongPassword, KeyDestroyed, KeyReplaced, NoKey)
"""How an attempt ends that does not succeed. After any other error it may be repeated."""
REFUTED: Final = (
    WrongPassword,
    KeyDestroyed,
    NoKey,
    WrongVault,
    VaultParametersRefused,
    VaultProtocolError,
)
"""Why a key that was just registered does not come back, if the vault is broken or lies."""
UNANSWERED: Final = (
    VaultUnreachable,
    VaultBusy,
    HsmUnavailable,
    StoreUnavailable,
    VaultInternalError,
    RollbackDetected,
)
"""After these nobody knows whether the request had its effect (8.4)."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who speaks with whom, and how this client goes about it.

    Attributes:
        vault: the vault's parameters, its identity as pinned.
        account: as the access token names it.
        pending: keeps what makes an undecided attempt again; None for the memory of this process.
        stretching: how heavy it may be, and who is told of it.
    """

    vault: VaultInfo
    account: str
    pending: PendingAttempt | None = None
    stretching: Stretching = field(default_factory=Stretching)

    @property
    def identities(self) -> Identities:
        """OPAQUE's identities: they bind protocol, vault and account."""
        server = SERVER_IDENTITY_PREFIX + self.vault.vault_id.encode()
        return Identities(client=self.account.encode(), server=server)

    def attempt_with(self, password: bytes) -> PendingAttempt:
        """Where the seed of an attempt with this prepared password is kept."""
        return self.pending or attempts.InProcess(
            self.vault.identity_public_key, self.account, password
        )

    def binding(self, key_id: bytes) -> Binding:
        """What the sealed backup key of a registration belongs to."""
        return Binding(self.vault.vault_id, self.account, key_id)


def fetch_info(
    pinned_identity: bytes | None, pinned_vault_id: str | None = None
) -> Flow[VaultInfo]:
    """Ask a vault who it is. `pinned_identity` is 33 bytes, None at first contact.

    Raises:
        WrongVault: it has another identity, or another vault id (4.2, 4.4).
    """
    info = yield from _ask(GetVault())
    if pinned_identity is not None and info.identity_public_key != pinned_identity:
        raise WrongVault
    if pinned_vault_id is not None and info.vault_id != pinned_vault_id:
        raise WrongVault
    return info


def protect(
    party: Party,
    password: str,
    backup_key: bytes,
    attempt_limit: int | None,
    before_commit: Callable[[bytes], None] | None = None,
) -> Flow[Registered]:
    """Register `backup_key` (32 bytes), then rehearse: success is reported when it came back.

    `before_commit` is called with the new key id right before the registration that may take
    effect; what it raises ends the flow with nothing changed.

    Raises:
        ProtectionUncertain: the answer was lost, and the vault has the new key or the old one.
        RehearsalFailed: the vault took the key, and then refuted it.
        RehearsalUnfinished: the vault took the key; the rehearsal was cut off.
        KeyReplaced: another device registered a key meanwhile.
        AttemptLimitRefused: the vault does not allow this attempt limit.
        StrongroomError: the key was not registered.
    """
    started, finish = yield from _make_registration(party, password, backup_key, attempt_limit)
    if before_commit is not None:
        before_commit(started.key_id)
    registered = yield from _finish_registration(started.key_id, finish)
    try:
        recovered = yield from _rehearse(party, password, registered, started.stretching)
    except KeyReplaced:
        raise
    except REFUTED as error:
        raise RehearsalFailed from error
    except StrongroomError as error:
        raise RehearsalUnfinished(registered.key_id, error) from error
    if not hmac.compare_digest(recovered, backup_key):
        raise RehearsalFailed
    return registered


def _make_registration(
    party: Party, password: str, backup_key: bytes, attempt_limit: int | None
) -> Flow[tuple[RegistrationStarted, FinishRegistration]]:
    """All of a registration but its last message (5.1 to 5.3)."""
    if attempt_limit is not None:
        party.vault.require_attempt_limit(attempt_limit)
    request, session = client.create_registration_request(normalise(password))
    started = yield from _ask(StartRegistration(request.encode()))
    try:
        response = RegistrationResponse.decode(started.registration_response)
    except OpaqueError as error:
        raise VaultProtocolError from error
    if response.server_public_key.encode() != party.vault.identity_public_key:
        raise WrongVault
    with Stretcher(party.stretching) as stretcher:
        record, export_key = client.finalize_registration_request(
            session, response, party.identities, stretcher.of(started.stretching)
        )
    sealed = sealed_key.seal(export_key, backup_key, party.binding(started.key_id))
    return started, FinishRegistration(started.state, record.encode(), sealed, attempt_limit or 0)


def _finish_registration(key_id: bytes, finish: FinishRegistration) -> Flow[Registered]:
    """Send the message that takes effect; when its answer is lost, ask which key is valid (5.8)."""
    try:
        registered = yield from _ask(finish)
    except KeyReplaced:
        raise
    except StrongroomError as error:
        # A refusal of a repetition, by an access token that expired meanwhile say, is of that one.
        if not (isinstance(error, UNANSWERED) or error.follows_lost_answer):
            raise
        registered = yield from _registered_all_the_same(key_id, error)
    if registered.key_id != key_id:
        raise VaultProtocolError("The vault says that it registered another key.")
    if finish.attempt_limit and registered.attempt_limit != finish.attempt_limit:
        raise VaultProtocolError("The vault took another attempt limit than it was asked for.")
    return registered


def _registered_all_the_same(key_id: bytes, unanswered: StrongroomError) -> Flow[Registered]:
    """Ask whether the registration took effect although its answer was lost.

    Raises:
        ProtectionUncertain: nobody can say; it may yet take effect.
    """
    try:
        found = yield from get_key()
    except StrongroomError:
        raise ProtectionUncertain(key_id, unanswered) from unanswered
    if not isinstance(found, ActiveKey) or found.key_id != key_id:
        raise ProtectionUncertain(key_id, unanswered) from unanswered
    return Registered(found.key_id, found.attempt_limit, found.attempts_left, found.created_at)


def recover(party: Party, password: str) -> Flow[bytes]:
    """Return the backup key (32 bytes). Uses one attempt; success gives all of them back.

    Whatever cuts the attempt off, the same password again is the same attempt (6.7, 6.8).

    Raises:
        WrongPassword: and how many attempts are left.
        KeyDestroyed: that was the last one, or there was none.
        NotEnoughMemory: the password cannot be stretched here.
        LastAttemptUnderWay: another device may be about to succeed with the last attempt.
        WrongVault: the vault cannot prove to be the one that registered the key.
    """
    prepared = normalise(password)
    with Stretcher(party.stretching) as stretcher:
        stretcher.reserve((yield from _foreseen(party, prepared)))
        return (yield from _until_decided(party, prepared, stretcher))


def get_key() -> Flow[KeyStatus]:
    """Ask what the vault holds for the account."""
    return (yield from _ask(GetKey()))


def delete() -> Flow[None]:
    """Delete the account's key."""
    yield from _ask(DeleteKey())


def _rehearse(
    party: Party, password: str, registered: Registered, stretching: Argon2id
) -> Flow[bytes]:
    """Return the backup key (32 bytes) of the key that was just registered.

    Raises:
        KeyReplaced: the vault has another one by now.
    """
    prepared = normalise(password)
    with Stretcher(party.stretching) as stretcher:
        stretcher.reserve(stretching)
        return (yield from _until_decided(party, prepared, stretcher, registered.key_id))


def _foreseen(party: Party, password: bytes) -> Flow[Argon2id]:
    """Ask what a recovery will stretch with; an access token may not allow to ask.

    Raises:
        NoKey, KeyDestroyed: there is nothing to recover.
        LastAttemptUnderWay: a new attempt would destroy the key, and cannot succeed (6.9).
    """
    try:
        found = yield from _ask(GetKey())
    except ScopeMissing:
        return party.vault.stretching
    pending = party.attempt_with(password)
    match found:
        case None:
            pending.forget()
            raise NoKey
        case DestroyedKey(destroyed_at, cause):
            pending.forget()
            raise KeyDestroyed(destroyed_at, cause)
        case ActiveKey():
            if found.attempts_left == 0 and pending.load() is None:
                raise LastAttemptUnderWay
            return found.stretching or party.vault.stretching


def _until_decided(
    party: Party, password: bytes, stretcher: Stretcher, expected_key_id: bytes | None = None
) -> Flow[bytes]:
    """Make one attempt, or go on with the one that is not decided yet."""
    pending = party.attempt_with(password)
    seed = pending.load() or attempts.new_seed()
    pending.save(seed)
    seed = pending.load() or seed  # another thread may have been first
    ke1, session = attempts.generate_ke1(password, seed)
    start = StartRecovery(ke1.encode())
    try:
        try:
            backup_key = yield from _attempt(party, start, session, stretcher, expected_key_id)
        except StateExpired:
            backup_key = yield from _attempt(party, start, session, stretcher, expected_key_id)
    except DECIDED:
        pending.forget()
        raise
    pending.forget()
    return backup_key


def _attempt(
    party: Party,
    start: StartRecovery,
    session: client.LoginSession,
    stretcher: Stretcher,
    expected_key_id: bytes | None,
) -> Flow[bytes]:
    """Start, and answer by a proof or a report; what came of it is told of the key it was for."""
    started = yield from _ask(start)
    is_another = expected_key_id is not None and started.key_id != expected_key_id
    try:
        backup_key = yield from _answer(party, started, session, stretcher)
    except (WrongPassword, KeyDestroyed) as error:
        if is_another:
            raise KeyReplaced from error
        raise
    if is_another:
        raise KeyReplaced
    return backup_key


def _answer(
    party: Party, started: RecoveryStarted, session: client.LoginSession, stretcher: Stretcher
) -> Flow[bytes]:
    """Open the envelope (6.3) and prove the password (6.5), or report that it is wrong (6.6)."""
    try:
        ke2 = KE2.decode(started.ke2)
        stretch = stretcher.of(started.stretching)
        ke3, result = client.generate_ke3(session, ke2, party.identities, stretch)
    except EnvelopeRecoveryError:
        return (yield from _report_failure(started))
    except ServerAuthenticationError as error:
        raise WrongVault from error
    except OpaqueError as error:
        raise VaultProtocolError from error
    if result.server_public_key.encode() != party.vault.identity_public_key:
        raise WrongVault
    sealed = yield from _ask(FinishRecovery(started.state, ke3.encode()))
    return sealed_key.unseal(result.export_key, sealed, party.binding(started.key_id))


def _report_failure(started: RecoveryStarted) -> Flow[bytes]:
    """Tell the vault that the password was wrong; its answer is the person's."""
    try:
        yield from _ask(FinishRecovery(started.state, ENVELOPE_DID_NOT_OPEN))
    except DECIDED:
        raise
    except StrongroomError as error:
        raise WrongPassword(started.attempts_left) from error
    raise VaultProtocolError("The vault accepts a proof that is none.")


def _ask(request: Request[Answer]) -> Generator[Request[Any], Any, Answer]:
    answer: Answer = yield request
    return answer
