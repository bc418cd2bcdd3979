"""Jobs over real workers and SoftHSM: who goes first, who is refused, and no answer goes astray."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from pools import FIRST, SECOND, ask, open_pool, until_ready

from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.hsm.dispatcher import MAX_BATCH, TokenPool
from strongroom_vault.hsm.jobs import AdvanceAnchor, NewRegistration

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm


NONSENSE = """#!{python}
import socket, sys
sys.path[:0] = {path!r}
from strongroom_vault.hsm.framing import frame, receive_jobs
from strongroom_vault.hsm.jobs import Failed, Ready

with socket.socket(fileno=int(sys.argv[-1])) as pipe:
    receive_jobs(pipe)
    pipe.sendall(frame(Ready(bytes(33), ())))
    while jobs := receive_jobs(pipe):
        for _ in jobs:
            pipe.sendall({answer})
"""


@pytest.mark.parametrize(
    "answer",
    [
        r"frame(Failed('?')).replace(b'?', b'\xff')",
        r"(100_000).to_bytes(4, 'big') + b'\x91' * 100_000",
        r"frame(Ready(bytes(33), ())) * 2",
        r"bytes((255,)) * 8",
    ],
    ids=["text that is none", "deep nesting", "answers to nothing", "a giant"],
)
async def test_a_worker_that_answers_nonsense_costs_itself_alone(
    softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    script = tmp_path / "worker"
    script.write_text(NONSENSE.format(python=sys.executable, path=sys.path, answer=answer))
    script.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(script))
    pool = TokenPool(softhsm.settings(), workers=1, call_timeout=5)
    await pool.start()
    async with asyncio.timeout(4):
        done = await asyncio.gather(*(ask(pool) for _ in range(7)), return_exceptions=True)
    assert all(isinstance(refused, HsmUnavailable) for refused in done)
    await until_ready(pool, 1)
    assert pool.replaced >= 1
    await pool.close()


async def test_a_worker_that_dies_leaves_no_caller_waiting(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        (doomed,) = pool.pids
        os.kill(doomed, signal.SIGSTOP)
        jobs = [asyncio.create_task(ask(pool)) for _ in range(MAX_BATCH + 3)]
        await asyncio.sleep(0.05)
        assert pool.waiting == 3  # it has as many in hand as it may take
        os.kill(doomed, signal.SIGKILL)
        done = await asyncio.gather(*jobs, return_exceptions=True)
        assert all(isinstance(lost, HsmUnavailable) for lost in done[:MAX_BATCH])
        assert all(isinstance(answer, NewRegistration) for answer in done[MAX_BATCH:])
        assert pool.jobs["StartRegistration", "unavailable"] == MAX_BATCH


async def test_a_move_of_the_anchor_goes_before_all_that_wait(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        (worker,) = pool.pids
        os.kill(worker, signal.SIGSTOP)
        jobs = [asyncio.create_task(ask(pool))]
        await asyncio.sleep(0.05)
        jobs += [asyncio.create_task(ask(pool)) for _ in range(20)]
        await asyncio.sleep(0)
        move = asyncio.create_task(pool.run(AdvanceAnchor(FIRST, SECOND)))
        await asyncio.sleep(0.05)
        os.kill(worker, signal.SIGCONT)
        ended: list[asyncio.Task[Any]] = []
        for job in (*jobs, move):
            job.add_done_callback(ended.append)
        await asyncio.gather(*jobs)
        assert (await move).value == SECOND
        assert ended[1] is move  # one had begun


async def test_closing_awaits_the_job_that_a_worker_has(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        (worker,) = pool.pids
        os.kill(worker, signal.SIGSTOP)
        begun = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(ask(pool))
        await asyncio.sleep(0)
        closing = asyncio.create_task(pool.close())
        await asyncio.sleep(0.05)
        os.kill(worker, signal.SIGCONT)
        assert isinstance(await begun, NewRegistration)
        await closing
        for refused in (waiting, ask(pool)):
            with pytest.raises(HsmUnavailable, match="the vault is shutting down"):
                await refused


async def test_what_nobody_awaits_any_more_is_not_asked(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        (worker,) = pool.pids
        os.kill(worker, signal.SIGSTOP)
        begun = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.05)
        late = [asyncio.create_task(ask(pool)) for _ in range(5)]
        await asyncio.sleep(0)
        for job in late:
            job.cancel()
        os.kill(worker, signal.SIGCONT)
        await begun
        await ask(pool)
        assert pool.jobs["StartRegistration", "done"] == 2
        assert pool.waiting == 0


async def test_a_job_that_no_worker_takes_in_time_is_refused(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1, call_timeout=1.0) as pool:
        for pid in pool.pids:
            os.kill(pid, signal.SIGSTOP)
        stuck = asyncio.create_task(ask(pool))
        await asyncio.sleep(0.05)
        pool._max_waiting = 1  # one may wait, and waits in vain
        began = time.monotonic()
        with pytest.raises(HsmUnavailable):
            await ask(pool)
        assert 0.9 < time.monotonic() - began < 3
        await asyncio.gather(stuck, return_exceptions=True)


async def test_more_jobs_than_may_wait_are_refused_at_once(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1, max_waiting=5) as pool:
        done = await asyncio.gather(*(ask(pool) for _ in range(30)), return_exceptions=True)
        refused = [found for found in done if isinstance(found, HsmUnavailable)]
        answered = [found for found in done if isinstance(found, NewRegistration)]
        assert len(refused) + len(answered) == 30
        assert 5 <= len(answered) <= 7
        assert all(error.retry_after for error in refused)
