"""The Unix socket by which operators control the running vault; only its owner can open it."""

from __future__ import annotations

import os
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import grpc

from strongroom_vault.api import bounds
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.unix_sockets import grpc_target, short_path
from strongroom_vault.settings.refusals import named
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from strongroom_vault.api.vault_admin import VaultAdmin

_SETTING: Final = named("listen", "admin_socket")
_HINT: Final = "Name a new path in a folder that the vault's user can write to."


@asynccontextmanager
async def admin_socket(path: Path, admin: VaultAdmin) -> AsyncIterator[None]:
    """Serve operators for the time of the block.

    Raises:
        OperatorError: another vault answers there, or the socket cannot be made.
    """
    with short_path(path) as short:
        try:
            _remove_stale(short)
        except OSError as error:
            problem = f"cannot look at {path}: {error.strerror}"
            raise OperatorError(f"{_SETTING}: {problem}", _HINT) from error
        server = grpc.aio.server(options=bounds.ADMIN_OPTIONS)
        admin_pb2_grpc.add_VaultAdminServicer_to_server(admin, server)
        # A chmod afterwards would leave the socket open to others for a moment. The umask is that
        # of the whole process, so it is set back at once; files made meanwhile are only stricter.
        before = os.umask(0o177)
        try:
            server.add_insecure_port(grpc_target(short))
            await server.start()
        except RuntimeError as error:
            raise OperatorError(f"{_SETTING}: cannot listen at {path}", _HINT) from error
        finally:
            os.umask(before)
        try:
            yield
        finally:
            # Without grace: a deletion that an operator has begun goes on in a task of its own, and
            # everything else is answered at once.
            await server.stop(0)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a vault that is gone; refuse to take the place of a running one."""
    if not path.is_socket():
        if path.exists():
            raise OperatorError(f"{_SETTING}: {path} exists and is not a socket", _HINT)
        return
    # Asked, because the file alone says nothing: it outlives a vault that was killed, and gRPC
    # would take the path away from one that runs.
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OperatorError(f"{_SETTING}: another vault answers at {path}")
