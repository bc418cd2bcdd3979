"""Requests to proto messages, and proto messages to answers, with every size checked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from strongroom import requests
from strongroom.errors import VaultProtocolError
from strongroom_protocol import labels
from strongroom_protocol.answers import RecoveryStarted, RegistrationStarted
from strongroom_protocol.convert import (
    SUITE,
    argon2id_from_proto,
    cause_from_proto,
    datetime_of_timestamp,
    has_suite,
)
from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_protocol.opaque.group import Element
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

REGISTRATION_RESPONSE_SIZE: Final = 66
KE2_SIZE: Final = 259


def encode(request: requests.Request[Any]) -> Message:
    """Return the proto message of a request."""
    return _ENCODERS[type(request)](request)


def decode(message: Any) -> Any:  # noqa: ANN401 -- the answer's type is the request's
    """Return the answer of a proto message.

    Raises:
        VaultProtocolError: it is not what the protocol says.
    """
    if not has_suite(message):
        raise VaultProtocolError("The vault answers in another suite.")
    return _DECODERS[type(message)](message)


def _start_registration(request: requests.StartRegistration) -> Message:
    return pb.StartRegistrationRequest(
        suite=SUITE, registration_request=request.registration_request
    )


def _finish_registration(request: requests.FinishRegistration) -> Message:
    return pb.FinishRegistrationRequest(
        suite=SUITE,
        registration_state=request.state,
        registration_record=request.registration_record,
        sealed_backup_key=request.sealed_backup_key,
        attempt_limit=request.attempt_limit,
    )


def _start_recovery(request: requests.StartRecovery) -> Message:
    return pb.StartRecoveryRequest(suite=SUITE, ke1=request.ke1)


def _finish_recovery(request: requests.FinishRecovery) -> Message:
    return pb.FinishRecoveryRequest(suite=SUITE, recovery_state=request.state, ke3=request.ke3)


_ENCODERS: Final[dict[type[Any], Callable[[Any], Message]]] = {
    requests.GetVault: lambda _: pb.GetVaultRequest(suite=SUITE),
    requests.StartRegistration: _start_registration,
    requests.FinishRegistration: _finish_registration,
    requests.StartRecovery: _start_recovery,
    requests.FinishRecovery: _finish_recovery,
    requests.GetKey: lambda _: pb.GetKeyRequest(suite=SUITE),
    requests.DeleteKey: lambda _: pb.DeleteKeyRequest(suite=SUITE),
}


def _vault_info(message: pb.GetVaultResponse) -> requests.VaultInfo:
    if not re.fullmatch(labels.VAULT_ID, message.vault_id):
        raise VaultProtocolError("The vault's id is not 1 to 64 characters of [a-z0-9.-].")
    return requests.VaultInfo(
        vault_id=message.vault_id,
        identity_public_key=_point(message.identity_public_key),
        stretching=argon2id_from_proto(message.stretching),
        attempt_limit=_attempts(message.attempt_limit),
        minimum_attempt_limit=_attempts(message.minimum_attempt_limit),
        maximum_attempt_limit=_attempts(message.maximum_attempt_limit),
    )


def _registration_started(message: pb.StartRegistrationResponse) -> RegistrationStarted:
    return RegistrationStarted(
        registration_response=_exact(message.registration_response, REGISTRATION_RESPONSE_SIZE),
        key_id=_exact(message.key_id, labels.KEY_ID_SIZE),
        state=_state(message.registration_state),
        stretching=argon2id_from_proto(message.stretching),
    )


def _registered(message: pb.FinishRegistrationResponse) -> requests.Registered:
    limit, left = _limit_and_left(message)
    return requests.Registered(
        key_id=_exact(message.key_id, labels.KEY_ID_SIZE),
        attempt_limit=limit,
        attempts_left=left,
        created_at=_moment(message.created_at),
    )


def _recovery_started(message: pb.StartRecoveryResponse) -> RecoveryStarted:
    return RecoveryStarted(
        ke2=_exact(message.ke2, KE2_SIZE),
        key_id=_exact(message.key_id, labels.KEY_ID_SIZE),
        state=_state(message.recovery_state),
        attempts_left=_attempts(message.attempts_left),
        stretching=argon2id_from_proto(message.stretching),
    )


def _recovery_finished(message: pb.FinishRecoveryResponse) -> bytes:
    return _exact(message.sealed_backup_key, labels.SEALED_BACKUP_KEY_SIZE)


def _key_status(message: pb.GetKeyResponse) -> requests.KeyStatus:
    match message.WhichOneof("state"):
        case "active":
            active = message.active
            limit, left = _limit_and_left(active)
            return requests.ActiveKey(
                key_id=_exact(active.key_id, labels.KEY_ID_SIZE),
                attempt_limit=limit,
                attempts_left=left,
                created_at=_moment(active.created_at),
                wait_until=_moment(active.wait_until) if active.HasField("wait_until") else None,
                stretching=(
                    argon2id_from_proto(active.stretching)
                    if active.HasField("stretching")
                    else None
                ),
            )
        case "destroyed":
            cause = cause_from_proto(message.destroyed.cause)
            return requests.DestroyedKey(_moment(message.destroyed.destroyed_at), cause)
        case "absent":
            return None
    raise VaultProtocolError


def _deleted(_message: pb.DeleteKeyResponse) -> None:
    return None


_DECODERS: Final[dict[type[Any], Callable[[Any], object]]] = {
    pb.GetVaultResponse: _vault_info,
    pb.StartRegistrationResponse: _registration_started,
    pb.FinishRegistrationResponse: _registered,
    pb.StartRecoveryResponse: _recovery_started,
    pb.FinishRecoveryResponse: _recovery_finished,
    pb.GetKeyResponse: _key_status,
    pb.DeleteKeyResponse: _deleted,
}


def _point(value: bytes) -> bytes:
    try:
        return Element.decode(value).encode()
    except OpaqueError as error:
        raise VaultProtocolError("The vault's identity is not a point of P-256.") from error


def _exact(value: bytes, size: int) -> bytes:
    if len(value) != size:
        raise VaultProtocolError(f"The vault sends {len(value)} bytes instead of {size}.")
    return value


def _state(value: bytes) -> bytes:
    if not 1 <= len(value) <= labels.STATE_MAX_SIZE:
        raise VaultProtocolError("The vault's state is empty or too long.")
    return value


def _attempts(value: int) -> int:
    if value > labels.ATTEMPT_LIMIT_MAX:
        raise VaultProtocolError("The vault counts more attempts than there can be.")
    return value


def _limit_and_left(
    message: pb.FinishRegistrationResponse | pb.GetKeyResponse.Active,
) -> tuple[int, int]:
    limit, left = _attempts(message.attempt_limit), _attempts(message.attempts_left)
    if limit == 0 or left > limit:
        raise VaultProtocolError("The vault leaves more attempts than its limit.")
    return limit, left


def _moment(timestamp: Timestamp) -> datetime:
    try:
        return datetime_of_timestamp(timestamp)
    except ValueError as error:
        raise VaultProtocolError("The vault's answer has a time that does not exist.") from error
