"""Calls VaultAdmin on the admin socket of a running vault."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.unix_sockets import grpc_target, short_path
from strongroom_vault.v1 import admin_pb2 as pb
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMEOUT_S = 30.0


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

    def status(self) -> VaultStatus:
        """Ask how the vault does."""
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
        self._stub.Drain(pb.DrainRequest(end=True), timeout=TIMEOUT_S)

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
