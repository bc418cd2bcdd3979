"""Calls VaultAdmin on the admin socket of a running vault."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import grpc

from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.unix_sockets import grpc_target, short_path
from strongroom_vault.service.progress import Progress, Stage
from strongroom_vault.settings.named_files import AS_ITS_USER
from strongroom_vault.settings.refusals import named
from strongroom_vault.v1 import admin_pb2 as pb
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TIMEOUT_S = 30.0

STATES: Final = {
    pb.RECORD_STATE_ACTIVE: "active",
    pb.RECORD_STATE_DESTROYED: "destroyed",
    pb.RECORD_STATE_DELETED: "deleted",
}
RESIDENCIES: Final = {pb.RESIDENCY_WRAPPED: "wrapped", pb.RESIDENCY_TOKEN: "token"}
STAGES: Final = {
    pb.ROTATION_STAGE_IDLE: Stage.IDLE,
    pb.ROTATION_STAGE_PREPARING: Stage.PREPARING,
    pb.ROTATION_STAGE_REWRAPPING: Stage.REWRAPPING,
    pb.ROTATION_STAGE_DESTROYING: Stage.DESTROYING,
    pb.ROTATION_STAGE_DONE: Stage.DONE,
    pb.ROTATION_STAGE_FAILED: Stage.FAILED,
}

Value = TypeVar("Value", bound=int)
Word = TypeVar("Word")


@dataclass(frozen=True, slots=True)
class ActiveRecord:
    """What a record with an active key says of it.

    Attributes:
        attempt_limit: wrong passwords that destroy the key.
        attempts_left: until then.
        key_id: 16 bytes.
        residency: "wrapped" or "token".
        wrap_key: number of the wrap key; 0 for a key that rests in the token.
        last_started_at: of the last attempt, in RFC 3339; None without one.
    """

    attempt_limit: int
    attempts_left: int
    key_id: bytes
    residency: str
    wrap_key: int
    last_started_at: str | None


@dataclass(frozen=True, slots=True)
class ShownRecord:
    """What the vault holds for an account.

    Attributes:
        record_id: 32 bytes, the account's pseudonym in database and audit log.
        state: "active", "destroyed" or "deleted".
        since: when it became that, in RFC 3339.
        charged: attempts ever charged.
        active: of an active key; None otherwise.
    """

    record_id: bytes
    state: str
    since: str
    charged: int
    active: ActiveRecord | None


class AdminClient:
    """Asks the vault behind an admin socket. Every method raises OperatorError only."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = admin_pb2_grpc.VaultAdminStub(channel)

    @classmethod
    @contextmanager
    def connect(cls, socket: Path) -> Iterator[AdminClient]:
        """Open the socket for the time of the block; a refusal of the vault is an OperatorError."""
        with (
            short_path(socket) as path,
            grpc.insecure_channel(grpc_target(path)) as channel,
        ):
            try:
                yield cls(channel)
            except grpc.RpcError as error:
                message = str(error.details())
                if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in message:
                    raise _no_answer(socket, message) from error
                raise OperatorError(message) from error

    def status(self) -> VaultStatus:
        """Ask for the state of the vault."""
        status = self._stub.GetStatus(pb.GetStatusRequest(), timeout=TIMEOUT_S)
        return VaultStatus(
            vault_id=status.vault_id,
            identity_public_key=status.identity_public_key,
            version=status.version,
            started_at=status.started_at.ToMilliseconds(),
            serving=status.serving,
            token_workers=status.token_workers,
            token_workers_ready=status.token_workers_ready,
            token_workers_replaced=status.token_workers_replaced,
            commits=status.commits,
            changes=status.changes,
            draining=status.draining,
            in_flight=status.in_flight,
        )

    def drain(self) -> None:
        """Have the vault take no new calls."""
        self._stub.Drain(pb.DrainRequest(), timeout=TIMEOUT_S)

    def resume(self) -> None:
        """Have the vault take calls again."""
        self._stub.Drain(pb.DrainRequest(resume=True), timeout=TIMEOUT_S)

    def reload_certificate(self) -> int:
        """Have the vault read its TLS certificate again; return when that expires (ms)."""
        request = pb.ReloadCertificateRequest()
        return self._stub.ReloadCertificate(request, timeout=TIMEOUT_S).ends_at.ToMilliseconds()

    def show_record(self, account: str) -> ShownRecord:
        """Ask what the vault holds for an account."""
        record = self._stub.ShowRecord(pb.ShowRecordRequest(account=account), timeout=TIMEOUT_S)
        is_active = record.state == pb.RECORD_STATE_ACTIVE
        return ShownRecord(
            record_id=record.record_id,
            state=_known(STATES, record.state),
            since=record.since.ToJsonString(),
            charged=record.charged,
            active=_active(record) if is_active else None,
        )

    def delete_record(self, account: str) -> None:
        """Delete an account's key."""
        self._stub.DeleteRecord(pb.DeleteRecordRequest(account=account), timeout=TIMEOUT_S)

    def rotate_wrap_key(self) -> None:
        """Begin a rotation, or resume one that was cut off."""
        self._stub.RotateWrapKey(pb.RotateWrapKeyRequest(), timeout=TIMEOUT_S)

    def rotation(self) -> Progress:
        """Ask for the progress of a rotation."""
        rotation = self._stub.GetRotation(pb.GetRotationRequest(), timeout=TIMEOUT_S)
        return Progress(
            stage=_known(STAGES, rotation.stage),
            wrap_key=rotation.wrap_key,
            buckets_done=rotation.buckets_done,
            buckets=rotation.buckets,
            rewrapped=rotation.rewrapped,
            problem=rotation.problem,
        )


def _no_answer(socket: Path, details: str) -> OperatorError:
    """Say that no vault answers at a socket; `details` is what gRPC says of it."""
    setting = named("listen", "admin_socket")
    if os.strerror(errno.EACCES) in details:
        return OperatorError(f"{setting}: this user may not use {socket}", AS_ITS_USER)
    hint = "Start it with strongroom-vault serve, or name the settings that it uses with --config."
    return OperatorError(f"{setting}: no vault answers at {socket}; is it running?", hint)


def _active(record: pb.ShowRecordResponse) -> ActiveRecord:
    has_started = record.HasField("last_started_at")
    return ActiveRecord(
        attempt_limit=record.attempt_limit,
        attempts_left=record.attempts_left,
        key_id=record.key_id,
        residency=_known(RESIDENCIES, record.residency),
        wrap_key=record.wrap_key,
        last_started_at=record.last_started_at.ToJsonString() if has_started else None,
    )


def _known(words: Mapping[Value, Word], value: Value) -> Word:
    """Return the word for a value of an enum; a vault of another version may have others."""
    try:
        return words[value]
    except KeyError as error:
        raise OperatorError("the running vault and this command have different versions") from error
