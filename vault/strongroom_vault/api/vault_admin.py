"""VaultAdmin: what operators ask of the running vault, on its own Unix socket."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import grpc
import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.v1 import admin_pb2 as pb
from strongroom.v1 import admin_pb2_grpc
from strongroom_vault.api.status import code_of
from strongroom_vault.errors import NoKey, OperatorError, Refusal
from strongroom_vault.policy import attempts_left
from strongroom_vault.record import Absent, Active, Deleted, Destroyed
from strongroom_vault.unix_sockets import grpc_target, short_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from strongroom_vault.api.certificates import Certificates
    from strongroom_vault.api.guard import Guard
    from strongroom_vault.record import Record
    from strongroom_vault.rotation import Rotation
    from strongroom_vault.service import BackupKeyService

log = structlog.get_logger()

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Status:
    """How the running vault does; fields as in admin.proto, times in ms."""

    vault_id: str
    identity_public_key: bytes
    version: str
    started_at: int
    serving: bool
    token_workers: int
    token_workers_ready: int
    token_workers_replaced: int
    commits: int
    changes: int
    draining: bool
    in_flight: int


class VaultAdmin(admin_pb2_grpc.VaultAdminServicer):
    """The service for operators; see protos/strongroom/v1/admin.proto."""

    def __init__(
        self,
        status: Callable[[], Status],
        guard: Guard,
        service: BackupKeyService,
        rotation: Rotation,
        certificates: Certificates,
    ) -> None:
        self._certificates = certificates
        self._status = status
        self._guard = guard
        self._service = service
        self._rotation = rotation

    async def GetStatus(  # noqa: N802 -- names of the proto file
        self, _request: pb.GetStatusRequest, _context: object
    ) -> pb.GetStatusResponse:
        """What the running vault is and how it does."""
        status = self._status()
        return pb.GetStatusResponse(
            vault_id=status.vault_id,
            identity_public_key=status.identity_public_key,
            version=status.version,
            started_at=_timestamp(status.started_at),
            serving=status.serving,
            token_workers=status.token_workers,
            token_workers_ready=status.token_workers_ready,
            token_workers_replaced=status.token_workers_replaced,
            commits=status.commits,
            changes=status.changes,
            draining=status.draining,
            in_flight=status.in_flight,
        )

    async def Drain(  # noqa: N802
        self, request: pb.DrainRequest, _context: object
    ) -> pb.DrainResponse:
        """Take no new calls, or take them again."""
        self._guard.is_draining = not request.end
        log.info("taking calls again" if request.end else "draining")
        return pb.DrainResponse()

    async def ReloadCertificate(  # noqa: N802
        self,
        _request: pb.ReloadCertificateRequest,
        context: grpc.aio.ServicerContext[object, object],
    ) -> pb.ReloadCertificateResponse:
        """Read the TLS certificate again."""
        if problem := self._certificates.reload():
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)
        ends_at = _timestamp(round(self._certificates.ends_at * 1000))
        return pb.ReloadCertificateResponse(ends_at=ends_at)

    async def ShowRecord(  # noqa: N802
        self, request: pb.ShowRecordRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.ShowRecordResponse:
        """What the vault holds for an account."""
        try:
            record_id, record = await self._service.show_record(request.account)
        except Refusal as refusal:
            await _abort(context, refusal)
        if isinstance(record.state, Absent):
            await _abort(context, NoKey("this account never had a key here"))
        return _record_message(record_id, record)

    async def DeleteRecord(  # noqa: N802
        self, request: pb.DeleteRecordRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.DeleteRecordResponse:
        """Delete an account's key."""
        try:
            await self._service.delete_key(request.account)
        except Refusal as refusal:
            await _abort(context, refusal)
        return pb.DeleteRecordResponse()

    async def RotateWrapKey(  # noqa: N802
        self, _request: pb.RotateWrapKeyRequest, _context: object
    ) -> pb.RotateWrapKeyResponse:
        """Begin a rotation of the wrap key, or go on with it."""
        self._rotation.begin()
        return pb.RotateWrapKeyResponse()

    async def GetRotation(  # noqa: N802
        self, _request: pb.GetRotationRequest, _context: object
    ) -> pb.GetRotationResponse:
        """How far a rotation is."""
        progress = self._rotation.progress
        return pb.GetRotationResponse(
            stage=progress.stage.value,
            wrap_key=progress.wrap_key,
            buckets_done=progress.buckets_done,
            buckets=progress.buckets,
            rewrapped=progress.rewrapped,
            problem=progress.problem,
        )


class AdminClient:
    """Asks the vault behind an admin socket. Every method raises OperatorError only."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = admin_pb2_grpc.VaultAdminStub(channel)

    @classmethod
    @contextmanager
    def connect(cls, socket: Path) -> Iterator[AdminClient]:
        """Open the socket, for the time of the block; what the vault refuses is said plainly."""
        with (
            short_path(socket) as path,
            grpc.insecure_channel(grpc_target(path)) as channel,
        ):
            try:
                yield cls(channel)
            except grpc.RpcError as error:
                said = str(error.details())
                if error.code() is grpc.StatusCode.UNAVAILABLE and "connect" in said:
                    said = f"no vault answers at {socket}; is it running?"
                raise OperatorError(said) from error

    def status(self) -> Status:
        """Ask how the vault does."""
        status = self._stub.GetStatus(pb.GetStatusRequest(), timeout=TIMEOUT_S)
        return Status(
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

    def drain(self, *, end: bool) -> None:
        """Have it take no new calls, or take them again."""
        self._stub.Drain(pb.DrainRequest(end=end), timeout=TIMEOUT_S)

    def reload_certificate(self) -> int:
        """Have it read its TLS certificate again; return when that expires (ms)."""
        asked = pb.ReloadCertificateRequest()
        return self._stub.ReloadCertificate(asked, timeout=TIMEOUT_S).ends_at.ToMilliseconds()

    def show_record(self, account: str) -> pb.ShowRecordResponse:
        """Ask what the vault holds for an account."""
        return self._stub.ShowRecord(pb.ShowRecordRequest(account=account), timeout=TIMEOUT_S)

    def delete_record(self, account: str) -> None:
        """Delete an account's key."""
        self._stub.DeleteRecord(pb.DeleteRecordRequest(account=account), timeout=TIMEOUT_S)

    def rotate_wrap_key(self) -> None:
        """Begin a rotation, or go on with it."""
        self._stub.RotateWrapKey(pb.RotateWrapKeyRequest(), timeout=TIMEOUT_S)

    def rotation(self) -> pb.GetRotationResponse:
        """Ask how far it is."""
        return self._stub.GetRotation(pb.GetRotationRequest(), timeout=TIMEOUT_S)


def _record_message(record_id: bytes, record: Record) -> pb.ShowRecordResponse:
    message = pb.ShowRecordResponse(record_id=record_id, charged=record.charged)
    match record.state:
        case Active() as key:
            message.state = "active"
            message.since.CopyFrom(_timestamp(key.created_at))
            message.attempt_limit = key.attempt_limit
            message.attempts_left = attempts_left(record, key)
            message.key_id = key.key_id
            message.residency = "token" if key.oprf_key.is_resident else "wrapped"
            message.wrap_key = key.oprf_key.wrap_key
            if key.last_started_at:
                message.last_started_at.CopyFrom(_timestamp(key.last_started_at))
        case Destroyed(destroyed_at):
            message.state = "destroyed"
            message.since.CopyFrom(_timestamp(destroyed_at))
        case Deleted(deleted_at):
            message.state = "deleted"
            message.since.CopyFrom(_timestamp(deleted_at))
    return message


def _timestamp(milliseconds: int) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromMilliseconds(milliseconds)
    return timestamp


async def _abort(context: grpc.aio.ServicerContext[object, object], refusal: Refusal) -> NoReturn:
    await context.abort(code_of(refusal), str(refusal))
    raise refusal
