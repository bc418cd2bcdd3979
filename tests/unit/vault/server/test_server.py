"""A whole vault in this process: its steps up and down in their order, and a start that fails."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import made_vault
import msgspec
import pytest
import structlog
from pools import is_alive
from services import Begun

from strongroom_vault.api.guard import Guard
from strongroom_vault.api.health import Health
from strongroom_vault.errors import OperatorError, StateExpired, WrongPin
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import DestroyWrapKeys, MakeWrapKey
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.operator.access import downtime
from strongroom_vault.operator.admin_client import AdminClient
from strongroom_vault.server import parts, server
from strongroom_vault.server.background import HealthWatch
from strongroom_vault.server.server import VaultServer
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.resident_keys import ResidentKeys
from strongroom_vault.service.rotation import Rotation
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vault_process import SoftHsm, VaultFolder

    from strongroom_vault.api.vault_status import VaultStatus
    from strongroom_vault.settings.config import Settings


@pytest.fixture
def settings(softhsm: SoftHsm, tmp_path: Path) -> Settings:
    """A vault with one worker."""
    return made_vault.made_vault(tmp_path / "vault", softhsm, token={"workers": 1}).settings


def status(settings: Settings) -> VaultStatus:
    with AdminClient.connect(settings.listen.admin_socket) as client:
        return client.status()


def record(
    monkeypatch: pytest.MonkeyPatch, steps: list[str], owner: Any, name: str, step: str
) -> None:
    """Note a step when it is taken, and take it."""
    real = getattr(owner, name)

    def noted(*arguments: Any, **named: Any) -> Any:
        steps.append(step)
        return real(*arguments, **named)

    monkeypatch.setattr(owner, name, noted)


def record_block(monkeypatch: pytest.MonkeyPatch, steps: list[str], name: str) -> None:
    real = getattr(server, name)

    @asynccontextmanager
    async def noted(*arguments: Any, **named: Any) -> AsyncIterator[Any]:
        async with real(*arguments, **named) as given:
            steps.append(f"{name} serves")
            yield given
            steps.append(f"{name} stops")

    monkeypatch.setattr(server, name, noted)


async def test_up_and_down_in_order(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    for owner, name, step in (
        (parts, "lock_exclusively", "lock on the token"),
        (parts, "SqliteStore", "store"),
        (TokenPool, "start", "workers"),
        (Ledger, "start", "ledger"),
        (BackupKeyService, "__init__", "service"),
        (Guard, "__init__", "guard"),
        (HealthWatch, "check", "health"),
        (Health, "close", "NOT_SERVING"),
        (Guard, "drain", "guard drained"),
        (Rotation, "stop", "rotation stopped"),
        (BackupKeyService, "drain", "service drained"),
        (Ledger, "close", "ledger closed"),
        (ResidentKeys, "drain", "resident keys destroyed"),
        (TokenPool, "close", "workers ended"),
        (SqliteStore, "close", "store closed"),
    ):
        record(monkeypatch, steps, owner, name, step)
    for name in ("listener", "admin_socket"):
        record_block(monkeypatch, steps, name)
    async with VaultServer(settings):
        assert steps == [
            "lock on the token",
            "store",
            "workers",
            "ledger",
            "service",
            "guard",
            "health",
            "listener serves",
            "admin_socket serves",
        ]
        steps.clear()
    assert [step for step in steps if step != "health"] == [
        "NOT_SERVING",
        "admin_socket stops",
        "listener stops",
        "guard drained",
        "rotation stopped",
        "service drained",
        "ledger closed",
        "resident keys destroyed",
        "workers ended",
        "store closed",
    ]
    with downtime(settings):
        pass


async def test_it_tells_its_operators_how_it_is(settings: Settings) -> None:
    with structlog.testing.capture_logs() as lines:
        async with VaultServer(settings) as vault:
            shown = await asyncio.to_thread(status, settings)
            socket.create_connection(("127.0.0.1", vault.port), timeout=10).close()
    assert shown.serving
    assert (shown.vault_id, shown.token_workers, shown.token_workers_ready) == ("vault.test", 1, 1)
    assert (shown.commits, shown.in_flight, shown.draining) == (0, 0, False)
    assert len(shown.identity_public_key) == 33
    events = [
        line["event"] for line in lines if line["event"] in {"serving", "stopping", "stopped"}
    ]
    assert events == ["serving", "stopping", "stopped"]


async def test_a_registration_under_a_wrap_key_that_is_gone_is_refused_after_a_restart(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered, its OPRF key could not be unwrapped: the backup would be lost."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(vault_folder.softhsm.configuration))
    settings = vault_folder.settings()
    async with VaultServer(settings) as vault:
        begun = await Begun.of(vault._service)
        await vault._service.registration.finish(*begun.finish)
        begun = await Begun.of(vault._service)
        assert (await vault._pool.run(MakeWrapKey((0,)))).numbers == (0, 1)
        assert (await vault._pool.run(DestroyWrapKeys((0,)))).numbers == (1,)
    async with VaultServer(settings) as vault:
        with pytest.raises(StateExpired):
            await vault._service.registration.finish(*begun.finish)


async def test_a_start_that_fails_late_leaves_nothing(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        listen = msgspec.structs.replace(settings.listen, address=address)
        vault = VaultServer(msgspec.structs.replace(settings, listen=listen))
        with pytest.raises(OperatorError, match="another process listens there"):
            await vault.__aenter__()
    assert vault._pool.ready == 0
    with downtime(settings):
        pass


async def test_a_start_that_fails_early_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    pin = tmp_path / "wrong.pin"
    pin.write_text("wrong")
    pin.chmod(0o600)
    token = msgspec.structs.replace(settings.token, pin_file=pin)
    wrong = msgspec.structs.replace(settings, token=token)
    with pytest.raises(WrongPin):
        await VaultServer(wrong).__aenter__()
    with downtime(wrong):
        pass


async def test_a_start_that_is_cut_off_leaves_no_worker(settings: Settings) -> None:
    token = msgspec.structs.replace(settings.token, workers=2)
    vault = VaultServer(msgspec.structs.replace(settings, token=token))
    starting = asyncio.create_task(vault.__aenter__())
    async with asyncio.timeout(60):
        while not vault._pool.pids:
            await asyncio.sleep(0.01)
    first, *_ = vault._pool.pids
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not is_alive(first)
    with downtime(settings):
        pass


async def test_it_runs_until_a_signal(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    tuned = []
    monkeypatch.setattr(server, "tune_gc", lambda: tuned.append(True))
    ended = []

    async def beside() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    async with asyncio.timeout(60):
        await VaultServer(settings).run(beside)
    assert (tuned, ended) == ([True], [True])
    with downtime(settings):
        pass


async def test_what_fails_beside_it_ends_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "tune_gc", lambda: None)

    async def beside() -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        async with asyncio.timeout(60):
            await VaultServer(settings).run(beside)
    with downtime(settings):
        pass
