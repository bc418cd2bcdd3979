"""Registration, without I/O: protect a key, then get it back to be sure (docs/protocol.md, 5).

1. Make everything but the last message. Nothing has changed yet, so whatever fails costs nothing.
2. Tell the caller the new key id, who may write it down: from here on the answer can be lost.
3. Send the message that takes effect. When its answer is lost, ask which key is valid.
4. Rehearse: success is reported only when the key came back. A key that cannot be recovered is
   found now, while its owner still has it.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Final

from strongroom import sealed_key
from strongroom.errors import (
    HsmUnavailable,
    KeyDestroyed,
    KeyReplaced,
    NoKey,
    ProtectionUncertain,
    RehearsalFailed,
    RehearsalUnfinished,
    RollbackDetected,
    StoreUnavailable,
    VaultBusy,
    VaultInternalError,
    VaultParametersRefused,
    VaultProtocolError,
    VaultUnreachable,
    WrongPassword,
    WrongVault,
)
from strongroom.flows import Flow, Party, ask, get_key
from strongroom.passwords import normalise
from strongroom.recovery import until_decided
from strongroom.requests import (
    ActiveKey,
    FinishRegistration,
    Registered,
    StartRegistration,
)
from strongroom.stretching import Stretcher
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.errors import (
    OpaqueError,
)
from strongroom_protocol.opaque.messages import RegistrationResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_protocol.answers import RegistrationStarted
    from strongroom_protocol.opaque.ksf import Argon2id


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
    started = yield from ask(StartRegistration(request.encode()))
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
        registered = yield from ask(finish)
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
        return (yield from until_decided(party, prepared, stretcher, registered.key_id))
