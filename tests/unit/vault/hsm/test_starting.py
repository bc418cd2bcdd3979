"""Token workers start one after the other, and never again once a PIN is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest
import structlog.testing
from pkcs11 import ObjectClass
from pools import ask, open_pool, started_at, until_ready, until_settled, with_pin_of_its_own

from strongroom_vault.errors import HsmUnavailable, OperatorError
from strongroom_vault.hsm import starting
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import Hello, ListWrapKeys, Ready
from strongroom_vault.hsm.process import WorkerProcess
from strongroom_vault.hsm.token.open_token import open_session, open_token
from strongroom_vault.hsm.token.vault_keys import VAULT, create_missing_keys, find_one

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm


async def test_a_system_that_starts_no_process_is_asked_again(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        monkeypatch.setattr(sys, "executable", "/there/is/no/such/program")
        with structlog.testing.capture_logs() as logged:
            os.kill(pool.pids[0], signal.SIGKILL)
            async with asyncio.timeout(30):
                while "token worker does not start" not in {entry["event"] for entry in logged}:
                    await asyncio.sleep(0.02)
        assert pool.ready == 0
        monkeypatch.undo()
        await until_ready(pool, 1)
        await ask(pool)


async def test_a_pool_whose_token_is_away_closes_at_once(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "BACK_OFF", (0.0, 3600.0))
    async with open_pool(softhsm, workers=1) as pool:
        monkeypatch.setattr(sys, "executable", "/there/is/no/such/program")
        with structlog.testing.capture_logs() as logged:
            os.kill(pool.pids[0], signal.SIGKILL)
            async with asyncio.timeout(30):
                while "token worker does not start" not in {entry["event"] for entry in logged}:
                    await asyncio.sleep(0.02)
        async with asyncio.timeout(60):
            await pool.close()


async def test_an_old_worker_stays_if_the_pin_is_refused_to_its_successor(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    settings, pin = with_pin_of_its_own(softhsm, tmp_path)
    pool = TokenPool(settings, workers=1, max_calls=3)
    await pool.start()
    pin.write_text("wrong")
    for _ in range(6):
        await ask(pool)
    await until_settled(pool)  # its successor is refused
    assert (pool.ready, pool.renewed) == (1, 0)
    for _ in range(3):
        with pytest.raises(HsmUnavailable, match="PIN"):
            await pool.renew()  # tries no PIN again
    await ask(pool)
    pin.write_text(softhsm.pin_file.read_text())
    await pool.close()
    with open_session(softhsm.settings()):
        pass  # the token is not locked


async def test_workers_lost_at_once_try_a_wrong_pin_once_in_all(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens lock after a few tries, often three: fewer than there may be workers."""
    settings, pin = with_pin_of_its_own(softhsm, tmp_path)
    pool = TokenPool(settings, workers=4)
    await pool.start()
    pin.write_text("wrong")
    started: list[object] = []
    start = WorkerProcess.start

    async def counted(hello: Hello) -> tuple[WorkerProcess, Ready]:
        started.append(hello)
        return await start(hello)

    monkeypatch.setattr(WorkerProcess, "start", counted)
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    await until_ready(pool, 0)
    await until_settled(pool)
    assert len(started) == 1
    await pool.close()


async def test_a_worker_that_starts_while_all_are_renewed_starts_again(softhsm: SoftHsm) -> None:
    """It may have looked at the token before what they are renewed for."""
    async with open_pool(softhsm, workers=2) as pool:
        os.kill(pool.pids[0], signal.SIGKILL)
        while pool.ready == 2:
            await asyncio.sleep(0)
        await asyncio.sleep(0.05)  # its successor is starting
        began = time.time()
        await pool.renew()
        await until_ready(pool, 2)
        assert all(started_at(pid) >= began - 0.02 for pid in pool.pids)
        await pool.run(ListWrapKeys())


async def test_many_workers_start(softhsm: SoftHsm) -> None:
    """SoftHSM fails now and then when many processes open one token at once."""
    for _ in range(3):
        async with open_pool(softhsm, workers=8) as pool:
            assert pool.ready == 8
            await asyncio.gather(*(ask(pool) for _ in range(16)))


async def test_a_token_that_does_not_open_starts_no_pool(softhsm: SoftHsm, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong")
    pin.chmod(0o600)
    settings = softhsm.settings()
    wrong = type(settings)(settings.module, settings.label, str(pin))
    with pytest.raises(OperatorError, match="PIN"):
        await TokenPool(wrong, workers=3).start()


async def test_a_worker_with_other_keys_serves_nobody(softhsm: SoftHsm) -> None:
    """It would answer attempts that no client accepts, each of them charged."""
    async with open_pool(softhsm, workers=1, labels=("a secret",)) as pool:
        (old,) = pool.pids
        with open_token(softhsm.settings()) as token:
            find_one(token.session, VAULT.root, ObjectClass.SECRET_KEY).destroy()
            create_missing_keys(token.session)
        with pytest.raises(HsmUnavailable, match="keys have changed"):
            await pool.renew()
        assert pool.pids == [old]
        await ask(pool)
