"""Recovery, without I/O: one attempt, continued until it is decided (docs/protocol.md, 6).

1. Ask what the password will be stretched with, and make sure that it can be, before anything is
   charged: a device without the memory must not use up attempts.
2. Keep the seed of the attempt before KE1 is sent: from it the same KE1 can be made again, and the
   same KE1 is the same attempt. Forgotten, a lost answer would cost another one.
3. Send KE1, open the envelope, and prove the password or report that it is wrong. A report is sent
   so that the vault need not wait for a proof that never comes.
4. Forget the seed only when the attempt is decided. After any other error it may have been charged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom import attempts, sealed_key
from strongroom.errors import (
    KeyDestroyed,
    KeyReplaced,
    LastAttemptUnderWay,
    NoKey,
    ScopeMissing,
    StateExpired,
    VaultProtocolError,
    WrongPassword,
    WrongVault,
)
from strongroom.flows import Flow, Party, ask
from strongroom.passwords import normalise
from strongroom.requests import (
    ActiveKey,
    DestroyedKey,
    FinishRecovery,
    GetKey,
    StartRecovery,
)
from strongroom.stretching import Stretcher
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.errors import (
    EnvelopeRecoveryError,
    OpaqueError,
    ServerAuthenticationError,
)
from strongroom_protocol.opaque.messages import KE2

if TYPE_CHECKING:
    from strongroom_protocol.answers import RecoveryStarted
    from strongroom_protocol.opaque.ksf import Argon2id


ENVELOPE_DID_NOT_OPEN: Final = bytes(32)
"""KE3 of a client that has no proof: it reports a wrong password."""

DECIDED: Final = (WrongPassword, KeyDestroyed, KeyReplaced, NoKey)
"""How an attempt ends that does not succeed. After any other error it may be repeated."""


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
        return (yield from until_decided(party, prepared, stretcher))


def _foreseen(party: Party, password: bytes) -> Flow[Argon2id]:
    """Ask what a recovery will stretch with; an access token may not allow to ask.

    Raises:
        NoKey, KeyDestroyed: there is nothing to recover.
        LastAttemptUnderWay: a new attempt would destroy the key, and cannot succeed (6.9).
    """
    try:
        found = yield from ask(GetKey())
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


def until_decided(
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
    started = yield from ask(start)
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
    sealed = yield from ask(FinishRecovery(started.state, ke3.encode()))
    return sealed_key.unseal(result.export_key, sealed, party.binding(started.key_id))


def _report_failure(started: RecoveryStarted) -> Flow[bytes]:
    """Tell the vault that the password was wrong; its answer is the person's."""
    try:
        yield from ask(FinishRecovery(started.state, ENVELOPE_DID_NOT_OPEN))
    except DECIDED:
        raise
    except StrongroomError as error:
        raise WrongPassword(started.attempts_left) from error
    raise VaultProtocolError("The vault accepts a report of failure as a proof.")
