"""VaultAdmin: what operators ask of the running vault, on its own Unix socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

import grpc
import structlog

from strongroom_protocol.convert import timestamp_of_ms
from strongroom_vault.api.status import code_of
from strongroom_vault.errors import NoKey, Refusal
from strongroom_vault.records.policy import attempts_left
from strongroom_vault.records.record import Absent, Active, Deleted, Destroyed
from strongroom_vault.service.progress import Stage
from strongroom_vault.v1 import admin_pb2 as pb
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.api.certificates import Certificates
    from strongroom_vault.api.guard import Guard
    from strongroom_vault.api.vault_status import VaultStatus
    from strongroom_vault.records.record import Record
    from strongroom_vault.service.backup_keys import BackupKeyService
    from strongroom_vault.service.rotation import Rotation

log = structlog.get_logger()

STAGES: Final = {
    Stage.IDLE: pb.ROTATION_STAGE_IDLE,
    Stage.PREPARING: pb.ROTATION_STAGE_PREPARING,
    Stage.REWRAPPING: pb.ROTATION_STAGE_REWRAPPING,
    Stage.DESTROYING: pb.ROTATION_STAGE_DESTROYING,
    Stage.DONE: pb.ROTATION_STAGE_DONE,
    Stage.FAILED: pb.ROTATION_STAGE_FAILED,
}


class VaultAdmin(admin_pb2_grpc.VaultAdminServicer):
    """The service for operators; see protos/strongroom/v1/admin.proto."""

    def __init__(
        self,
        status: Callable[[], VaultStatus],
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
        """What the running vault is, and its state."""
        status = self._status()
        return pb.GetStatusResponse(
            vault_id=status.vault_id,
            identity_public_key=status.identity_public_key,
            version=status.version,
            started_at=timestamp_of_ms(status.started_at),
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
        # Calls under way go on: the caller asks GetStatus until none is left.
        self._guard.is_draining = not request.resume
        log.info("taking calls again" if request.resume else "draining")
        return pb.DrainResponse()

    async def ReloadCertificate(  # noqa: N802
        self,
        _request: pb.ReloadCertificateRequest,
        context: grpc.aio.ServicerContext[object, object],
    ) -> pb.ReloadCertificateResponse:
        """Read the TLS certificate again."""
        if problem := self._certificates.reload():
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, problem)
        ends_at = timestamp_of_ms(round(self._certificates.ends_at * 1000))
        return pb.ReloadCertificateResponse(ends_at=ends_at)

    async def ShowRecord(  # noqa: N802
        self, request: pb.ShowRecordRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> pb.ShowRecordResponse:
        """What the vault holds for an account."""
        try:
            record_id, record = await self._service.keys.show(request.account)
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
            await self._service.keys.delete(request.account)
        except Refusal as refusal:
            await _abort(context, refusal)
        return pb.DeleteRecordResponse()

    async def RotateWrapKey(  # noqa: N802
        self, _request: pb.RotateWrapKeyRequest, _context: object
    ) -> pb.RotateWrapKeyResponse:
        """Begin a rotation of the wrap key, or resume one that was cut off."""
        self._rotation.begin()
        return pb.RotateWrapKeyResponse()

    async def GetRotation(  # noqa: N802
        self, _request: pb.GetRotationRequest, _context: object
    ) -> pb.GetRotationResponse:
        """The progress of a rotation."""
        progress = self._rotation.progress
        return pb.GetRotationResponse(
            stage=STAGES[progress.stage],
            wrap_key=progress.wrap_key,
            buckets_done=progress.buckets_done,
            buckets=progress.buckets,
            rewrapped=progress.rewrapped,
            problem=progress.problem,
        )


def _record_message(record_id: bytes, record: Record) -> pb.ShowRecordResponse:
    message = pb.ShowRecordResponse(record_id=record_id, charged=record.charged)
    match record.state:
        case Active() as key:
            message.state = pb.RECORD_STATE_ACTIVE
            message.since.CopyFrom(timestamp_of_ms(key.created_at))
            message.attempt_limit = key.attempt_limit
            message.attempts_left = attempts_left(record, key)
            message.key_id = key.key_id
            message.residency = (
                pb.RESIDENCY_TOKEN if key.oprf_key.is_resident else pb.RESIDENCY_WRAPPED
            )
            message.wrap_key = key.oprf_key.wrap_key
            if key.last_started_at:
                message.last_started_at.CopyFrom(timestamp_of_ms(key.last_started_at))
        case Destroyed(destroyed_at):
            message.state = pb.RECORD_STATE_DESTROYED
            message.since.CopyFrom(timestamp_of_ms(destroyed_at))
        case Deleted(deleted_at):
            message.state = pb.RECORD_STATE_DELETED
            message.since.CopyFrom(timestamp_of_ms(deleted_at))
    return message


async def _abort(context: grpc.aio.ServicerContext[object, object], refusal: Refusal) -> NoReturn:
    await context.abort(code_of(refusal), str(refusal))
    raise refusal
