"""VaultAdmin: what operators ask of the running vault, on its own Unix socket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from strongroom.v1 import admin_pb2 as pb
from strongroom.v1 import admin_pb2_grpc
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TIMEOUT_S = 5.0


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


class VaultAdmin(admin_pb2_grpc.VaultAdminServicer):
    """The service for operators; see protos/strongroom/v1/admin.proto."""

    def __init__(self, status: Callable[[], Status]) -> None:
        self._status = status

    async def GetStatus(  # noqa: N802 -- name of the proto file
        self, _request: pb.GetStatusRequest, _context: object
    ) -> pb.GetStatusResponse:
        """What the running vault is and how it does."""
        status = self._status()
        started_at = Timestamp()
        started_at.FromMilliseconds(status.started_at)
        return pb.GetStatusResponse(
            vault_id=status.vault_id,
            identity_public_key=status.identity_public_key,
            version=status.version,
            started_at=started_at,
            serving=status.serving,
            token_workers=status.token_workers,
            token_workers_ready=status.token_workers_ready,
            token_workers_replaced=status.token_workers_replaced,
            commits=status.commits,
            changes=status.changes,
        )


def fetch_status(socket: Path) -> Status:
    """Ask the vault behind an admin socket how it does.

    Raises:
        OperatorError: nobody answers there.
    """
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        try:
            status = admin_pb2_grpc.VaultAdminStub(channel).GetStatus(
                pb.GetStatusRequest(), timeout=TIMEOUT_S
            )
        except grpc.RpcError as error:
            raise OperatorError(f"no vault answers at {socket}; is it running?") from error
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
    )
