"""What a client does, step by step, without I/O: generators that yield requests and get answers.

`Vault` and `AsyncVault` drive the same flows, each over its own transport. A refused request is
raised inside the flow, which may go another way. The steps are those of docs/protocol.md.
"""

from __future__ import annotations

import hmac
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from strongroom import sealed_key
from strongroom.calls import (
    DeleteKey,
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
from strongroom.errors import (
    KeyDestroyed,
    RehearsalFailed,
    StateExpired,
    StrongroomError,
    VaultParametersRefused,
    VaultProtocolError,
    WrongPassword,
    WrongVault,
)
from strongroom.opaque import client
from strongroom.opaque.envelope import Identities
from strongroom.opaque.errors import (
    EnvelopeRecoveryError,
    OpaqueError,
    ServerAuthenticationError,
)
from strongroom.opaque.messages import KE2, RegistrationResponse
from strongroom.passwords import normalise
from strongroom.sealed_key import Binding

if TYPE_CHECKING:
    from strongroom.opaque.ksf import Argon2id

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Flow: TypeAlias = Generator[Request[Any], Any, Result]

SERVER_IDENTITY_PREFIX: Final = b"strongroom/v1/"
ENVELOPE_DID_NOT_OPEN: Final = bytes(32)
"""KE3 of a client that has no proof: it reports a wrong password."""

# RFC 9106's second choice at least, and no more than a phone can do.
MEMORY_KIB: Final = range(64 * 1024, 1024 * 1024 + 1)
PASSES: Final = range(3, 16 + 1)
LANES: Final = range(1, 16 + 1)


@dataclass(frozen=True, slots=True)
class Party:
    """Who speaks with whom.

    Attributes:
        vault: the vault's parameters, its identity as pinned.
        account: as the access token names it.
    """

    vault: VaultInfo
    account: str

    @property
    def identities(self) -> Identities:
        """OPAQUE's identities: they bind protocol, vault and account."""
        server = SERVER_IDENTITY_PREFIX + self.vault.vault_id.encode()
        return Identities(client=self.account.encode(), server=server)

    def binding(self, key_id: bytes) -> Binding:
        """What the sealed backup key of a registration belongs to."""
        return Binding(self.vault.vault_id, self.account, key_id)


def meet(pinned_identity: bytes | None) -> Flow[VaultInfo]:
    """Ask a vault who it is. `pinned_identity` is 33 bytes, None at first contact.

    Raises:
        WrongVault: it has another identity.
    """
    info = yield from _ask(GetVault())
    if pinned_identity is not None and info.identity_public_key != pinned_identity:
        raise WrongVault
    return info


def protect(
    party: Party, password: str, backup_key: bytes, attempt_limit: int | None
) -> Flow[Registered]:
    """Register `backup_key` (32 bytes), then rehearse: success is reported when it came back.

    Raises:
        RehearsalFailed: the vault took the key but did not give it back.
        StrongroomError: the key was not registered.
    """
    registered = yield from register(party, password, backup_key, attempt_limit)
    try:
        recovered = yield from recover(party, password)
    except StrongroomError as error:
        raise RehearsalFailed from error
    if not hmac.compare_digest(recovered, backup_key):
        raise RehearsalFailed
    return registered


def register(
    party: Party, password: str, backup_key: bytes, attempt_limit: int | None
) -> Flow[Registered]:
    """Register `backup_key` under `password`, replacing whatever the vault has."""
    request, session = client.create_registration_request(normalise(password))
    started = yield from _ask(StartRegistration(request.encode()))
    stretching = _within_bounds(started.stretching)
    try:
        response = RegistrationResponse.decode(started.registration_response)
    except OpaqueError as error:
        raise VaultProtocolError from error
    if response.server_public_key.encode() != party.vault.identity_public_key:
        raise WrongVault
    record, export_key = client.finalize_registration_request(
        session, response, party.identities, stretching
    )
    sealed = sealed_key.seal(export_key, backup_key, party.binding(started.key_id))
    finish = FinishRegistration(started.state, record.encode(), sealed, attempt_limit or 0)
    return (yield from _ask(finish))


def recover(party: Party, password: str) -> Flow[bytes]:
    """Return the backup key (32 bytes). Uses one attempt; success gives all of them back.

    Raises:
        WrongPassword: and how many attempts are left.
        KeyDestroyed: that was the last one, or there was none.
        WrongVault: the vault cannot prove to be the one that registered the key.
    """
    ke1, session = client.generate_ke1(normalise(password))
    start = StartRecovery(ke1.encode())
    try:
        return (yield from _attempt(party, start, session))
    except StateExpired:
        # The same bytes again are not charged again.
        return (yield from _attempt(party, start, session))


def get_key() -> Flow[KeyStatus]:
    """Ask what the vault holds for the account."""
    return (yield from _ask(GetKey()))


def delete() -> Flow[None]:
    """Delete the account's key."""
    yield from _ask(DeleteKey())


def _attempt(party: Party, start: StartRecovery, session: client.LoginSession) -> Flow[bytes]:
    started = yield from _ask(start)
    stretching = _within_bounds(started.stretching)
    try:
        ke2 = KE2.decode(started.ke2)
        ke3, result = client.generate_ke3(session, ke2, party.identities, stretching)
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
    except (WrongPassword, KeyDestroyed):
        raise
    except StrongroomError as error:
        raise WrongPassword(started.attempts_left) from error
    raise VaultProtocolError("The vault accepts a proof that is none.")


def _within_bounds(stretching: Argon2id) -> Argon2id:
    if (
        stretching.memory_kib not in MEMORY_KIB
        or stretching.passes not in PASSES
        or stretching.lanes not in LANES
    ):
        raise VaultParametersRefused
    return stretching


def _ask(request: Request[Answer]) -> Generator[Request[Any], Any, Answer]:
    answer: Answer = yield request
    return answer
