"""The operators' socket: whose it is, and what may stand in its place."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

import pytest

from strongroom_vault.api.vault_admin import VaultAdmin
from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.admin_client import AdminClient
from strongroom_vault.server.admin_socket import admin_socket

if TYPE_CHECKING:
    from pathlib import Path

STATUS = VaultStatus(
    vault_id="vault.test",
    identity_public_key=b"\x03" + b"i" * 32,
    version="1",
    started_at=1_800_000_000_000,
    serving=True,
    token_workers=2,
    token_workers_ready=1,
    token_workers_replaced=3,
    commits=4,
    changes=5,
    draining=False,
    in_flight=6,
)
NOBODY: Any = None
ADMIN = VaultAdmin(lambda: STATUS, NOBODY, NOBODY, NOBODY, NOBODY)
"""It is asked for nothing but its status."""


def status(path: Path) -> VaultStatus:
    with AdminClient.connect(path) as client:
        return client.status()


@pytest.mark.parametrize("folder", ["run", "f" * 120])
async def test_its_owner_alone_can_ask(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "admin.sock"
    path.parent.mkdir()
    async with admin_socket(path, ADMIN):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
        assert await asyncio.to_thread(status, path) == STATUS
    with pytest.raises(OperatorError, match="no vault answers at"):
        await asyncio.to_thread(status, path)


async def test_files_made_later_have_their_usual_modes(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with admin_socket(tmp_path / "admin.sock", ADMIN):
            (tmp_path / "later").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "later").stat().st_mode) == 0o644


async def test_a_socket_that_nobody_answers_at_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    async with admin_socket(path, ADMIN):
        assert (await asyncio.to_thread(status, path)).vault_id == "vault.test"


async def test_a_running_vault_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    async with admin_socket(path, ADMIN):
        with pytest.raises(OperatorError, match="another vault answers at"):
            await admin_socket(path, ADMIN).__aenter__()
        assert await asyncio.to_thread(status, path) == STATUS


async def test_a_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "admin.sock"
    path.write_text("a thesis")
    with pytest.raises(OperatorError, match="exists and is not a socket"):
        await admin_socket(path, ADMIN).__aenter__()
    assert path.read_text() == "a thesis"


async def test_a_socket_that_cannot_be_looked_at(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 300) / "admin.sock"
    with pytest.raises(OperatorError, match=r"cannot open the folder|cannot look at"):
        await admin_socket(path, ADMIN).__aenter__()
    looped = tmp_path / "loop"
    looped.symlink_to(looped)
    with pytest.raises(OperatorError, match=r"admin_socket \("):
        await admin_socket(looped / "admin.sock", ADMIN).__aenter__()


async def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "admin.sock"
    with pytest.raises(OperatorError, match=r"admin_socket .*cannot listen at"):
        await admin_socket(path, ADMIN).__aenter__()
