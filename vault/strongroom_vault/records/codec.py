"""Records and client-carried states as bytes: the messages of storage/v1/record.proto.

What is decoded here was sealed by this vault, so a surprise in it is a bug (RuntimeError), not an
attack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.errors import Cause
from strongroom_vault.records.record import (
    Absent,
    Active,
    Deleted,
    Destroyed,
    LastAttempt,
    Record,
    StoredOprfKey,
)
from strongroom_vault.records.v1 import record_pb2 as pb

_CAUSES: Final = {Cause.ATTEMPT_LIMIT: pb.CAUSE_ATTEMPT_LIMIT}
_CAUSE_OF: Final = {number: cause for cause, number in _CAUSES.items()}


@dataclass(frozen=True, slots=True)
class RegistrationState:
    """What FinishRegistration needs from StartRegistration. `expires_at` is in ms.

    Attributes:
        key_id: 16 bytes, of the key to be registered.
        generation: the record's, when the registration started.
        oprf_key: made for this registration.
        stretching: what the client was given to use.
        expires_at: after this the state is refused.
    """

    key_id: bytes
    generation: int
    oprf_key: StoredOprfKey
    stretching: Argon2id
    expires_at: int


@dataclass(frozen=True, slots=True)
class RecoveryState:
    """What FinishRecovery needs from StartRecovery. `expires_at` is in ms.

    Attributes:
        key_id: 16 bytes.
        serial: of the attempt.
        expected_client_mac: 32 bytes, what KE3 must be.
        expires_at: after this the state is refused.
    """

    key_id: bytes
    serial: int
    expected_client_mac: bytes = field(repr=False)
    expires_at: int


def encode_record(record: Record) -> bytes:
    """Return the record as a storage.v1.Record message."""
    message = pb.Record(
        charged=record.charged,
        cleared=record.cleared,
        generation=record.generation,
        loss_epoch=record.loss_epoch,
    )
    match record.state:
        case Active() as key:
            message.active.CopyFrom(_active_message(key))
        case Destroyed(destroyed_at, cause):
            message.destroyed.destroyed_at = destroyed_at
            message.destroyed.cause = _CAUSES[cause]
        case Deleted(deleted_at):
            message.deleted.deleted_at = deleted_at
        case Absent():
            raise RuntimeError("a record without a state is not stored")
    return message.SerializeToString()


def decode_record(data: bytes) -> Record:
    """Return the record of a storage.v1.Record message."""
    message = pb.Record.FromString(data)
    state: Active | Destroyed | Deleted
    match message.WhichOneof("state"):
        case "active":
            state = _active(message.active)
        case "destroyed":
            cause = _CAUSE_OF[message.destroyed.cause]
            state = Destroyed(message.destroyed.destroyed_at, cause)
        case "deleted":
            state = Deleted(message.deleted.deleted_at)
        case _:
            raise RuntimeError("a stored record has no known state")
    return Record(message.charged, message.cleared, message.generation, state, message.loss_epoch)


def encode_registration_state(state: RegistrationState) -> bytes:
    """Return the state as a storage.v1.RegistrationState message."""
    return pb.RegistrationState(
        key_id=state.key_id,
        generation=state.generation,
        expires_at=state.expires_at,
        oprf_key=_oprf_key_message(state.oprf_key),
        stretching=_argon2id_message(state.stretching),
    ).SerializeToString()


def decode_registration_state(data: bytes) -> RegistrationState:
    """Return the state of a storage.v1.RegistrationState message."""
    message = pb.RegistrationState.FromString(data)
    return RegistrationState(
        key_id=message.key_id,
        generation=message.generation,
        oprf_key=_oprf_key(message.oprf_key),
        stretching=_argon2id(message.stretching),
        expires_at=message.expires_at,
    )


def encode_recovery_state(state: RecoveryState) -> bytes:
    """Return the state as a storage.v1.RecoveryState message."""
    return pb.RecoveryState(
        key_id=state.key_id,
        serial=state.serial,
        expires_at=state.expires_at,
        expected_client_mac=state.expected_client_mac,
    ).SerializeToString()


def decode_recovery_state(data: bytes) -> RecoveryState:
    """Return the state of a storage.v1.RecoveryState message."""
    message = pb.RecoveryState.FromString(data)
    return RecoveryState(
        key_id=message.key_id,
        serial=message.serial,
        expected_client_mac=message.expected_client_mac,
        expires_at=message.expires_at,
    )


def _active_message(key: Active) -> pb.Active:
    message = pb.Active(
        key_id=key.key_id,
        created_at=key.created_at,
        attempt_limit=key.attempt_limit,
        oprf_key=_oprf_key_message(key.oprf_key),
        registration_record=key.registration_record,
        sealed_backup_key=key.sealed_backup_key,
        stretching=_argon2id_message(key.stretching),
        last_started_at=key.last_started_at,
    )
    if key.last_attempt:
        message.last_blinded_element = key.last_attempt.blinded_element
        message.last_is_final = key.last_attempt.is_final
    return message


def _active(message: pb.Active) -> Active:
    element = message.last_blinded_element
    return Active(
        key_id=message.key_id,
        created_at=message.created_at,
        attempt_limit=message.attempt_limit,
        oprf_key=_oprf_key(message.oprf_key),
        registration_record=message.registration_record,
        sealed_backup_key=message.sealed_backup_key,
        stretching=_argon2id(message.stretching),
        last_attempt=LastAttempt(element, message.last_is_final) if element else None,
        last_started_at=message.last_started_at,
    )


def _oprf_key_message(key: StoredOprfKey) -> pb.OprfKey:
    if key.wrapped is None:
        return pb.OprfKey(public_key=key.public_key, resident=True)
    return pb.OprfKey(public_key=key.public_key, wrapped=key.wrapped, wrap_key=key.wrap_key)


def _oprf_key(message: pb.OprfKey) -> StoredOprfKey:
    is_resident = message.WhichOneof("residency") == "resident"
    wrapped = None if is_resident else message.wrapped
    return StoredOprfKey(message.public_key, wrapped, message.wrap_key)


def _argon2id_message(stretching: Argon2id) -> pb.Argon2id:
    return pb.Argon2id(
        memory_kib=stretching.memory_kib, passes=stretching.passes, lanes=stretching.lanes
    )


def _argon2id(message: pb.Argon2id) -> Argon2id:
    return Argon2id(message.memory_kib, message.passes, message.lanes)
