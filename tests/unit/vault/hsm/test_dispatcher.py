"""The token workers as a pool, over real workers and SoftHSM: grown old, hung, renewed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.messages import Envelope, RegistrationRecord
from strongroom_vault.errors import HsmUnavailable, KeyNotFound, OperatorError
from strongroom_vault.hsm.dispatcher import MAX_BATCH, TokenPool
from strongroom_vault.hsm.jobs import (
    AdvanceAnchor,
    AnchorIs,
    CreateRegistrationResponse,
    DestroyOprfKey,
    GenerateKE2,
    Hello,
    ListWrapKeys,
    NewRegistration,
    Ready,
)
from strongroom_vault.hsm.process import WorkerProcess
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_session, open_token
from strongroom_vault.hsm.token_anchor import TokenAnchor
from strongroom_vault.ledger.anchor import AnchorMoved
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vault_process import SoftHsm

REQUEST = client.create_registration_request(b"password")[0].encode()
FIRST, SECOND, THIRD = (Anchored(epoch, bytes(32)) for epoch in (1, 2, 3))
BOOT = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


@asynccontextmanager
async def open_pool(softhsm: SoftHsm, **options: Any) -> AsyncIterator[TokenPool]:
    settings = softhsm.settings()
    with open_token(settings) as token:
        vault_keys.create_missing_keys(token.session)
        token.anchor.replace(FIRST)
    pool = TokenPool(settings, **options)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: TokenPool) -> NewRegistration:
    return await pool.run(CreateRegistrationResponse(REQUEST))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def started_at(pid: int) -> float:
    """When a process was started, as time.time() says it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return BOOT + int(fields[19]) / os.sysconf("SC_CLK_TCK")


async def until_ready(pool: TokenPool, count: int) -> None:
    async with asyncio.timeout(30):
        while pool.ready != count:
            await asyncio.sleep(0.02)


async def test_workers_that_grow_old_are_replaced_and_no_job_is_lost(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=2, max_calls=10) as pool:
        first = set(pool.pids)
        answers = await asyncio.gather(*(ask(pool) for _ in range(120)))
        assert len({answer.oprf_key.public_key for answer in answers}) == 120
        async with asyncio.timeout(30):
            while first & set(pool.pids) or pool.ready != 2:
                await asyncio.sleep(0.02)
        assert (pool.renewed >= 2, pool.replaced) == (True, 0)
        await ask(pool)


async def test_a_worker_that_hangs_is_killed_and_replaced(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1, call_timeout=0.5) as pool:
        (hung,) = pool.pids
        os.kill(hung, signal.SIGSTOP)
        with pytest.raises(HsmUnavailable):
            await ask(pool)
        await until_ready(pool, 1)
        assert not is_alive(hung)
        await ask(pool)
        assert pool.jobs["CreateRegistrationResponse", "unavailable"] == 1


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


async def test_a_system_that_starts_no_process_is_asked_again(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_pool(softhsm, workers=1) as pool:
        monkeypatch.setattr(sys, "executable", "/there/is/no/such/program")
        os.kill(pool.pids[0], signal.SIGKILL)
        await asyncio.sleep(0.5)
        assert pool.ready == 0
        monkeypatch.undo()
        await until_ready(pool, 1)
        await ask(pool)


async def test_an_old_worker_stays_if_the_pin_is_refused_to_its_successor(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    pin = tmp_path / "pin"
    pin.write_text(softhsm.pin_file.read_text())
    pin.chmod(0o600)
    with open_session(softhsm.settings()) as session:
        vault_keys.create_missing_keys(session)
    settings = TokenSettings(softhsm.module, softhsm.label, str(pin))
    pool = TokenPool(settings, workers=1, max_calls=3)
    await pool.start()
    pin.write_text("wrong")
    for _ in range(6):
        await ask(pool)
    await asyncio.sleep(1)
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
    pin = tmp_path / "pin"
    pin.write_text(softhsm.pin_file.read_text())
    pin.chmod(0o600)
    with open_session(softhsm.settings()) as session:
        vault_keys.create_missing_keys(session)
    pool = TokenPool(TokenSettings(softhsm.module, softhsm.label, str(pin)), workers=4)
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
    async with asyncio.timeout(30):
        await pool._supervisor._tasks.wait()
    assert len(started) == 1
    await pool.close()


async def test_an_old_worker_that_dies_has_one_successor(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1, max_calls=2) as pool:
        (old,) = pool.pids
        await ask(pool)
        await ask(pool)
        await asyncio.sleep(0.05)  # its successor is starting
        os.kill(old, signal.SIGKILL)
        await until_ready(pool, 0)
        await until_ready(pool, 1)
        await asyncio.sleep(1.5)
        assert pool.ready == 1


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
        assert pool.jobs["CreateRegistrationResponse", "unavailable"] == MAX_BATCH


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
        assert pool.jobs["CreateRegistrationResponse", "done"] == 2
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


async def test_renewed_under_load_every_worker_is_a_new_one(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        before = set(pool.pids)
        jobs = [asyncio.create_task(ask(pool)) for _ in range(200)]
        await pool.renew()
        assert not before & set(pool.pids)
        assert pool.ready == 2
        assert len(await asyncio.gather(*jobs)) == 200
        assert not any(is_alive(pid) for pid in before)


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


async def test_renewed_twice_at_once_there_are_no_more_workers_than_before(
    softhsm: SoftHsm,
) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        await asyncio.gather(pool.renew(), pool.renew())
        assert pool.ready == 2


async def test_closed_while_an_old_worker_and_all_are_renewed_it_ends(softhsm: SoftHsm) -> None:
    """The old one's successor comes no more, so that nothing may wait for it."""
    async with open_pool(softhsm, max_calls=1) as pool:
        await ask(pool)
        await asyncio.sleep(0.05)  # its successor is starting
        pool.renew_soon()
        await asyncio.sleep(0)  # which makes that one start again
        closing = asyncio.create_task(pool.close())
        done, _ = await asyncio.wait([closing], timeout=20)
        if not done:
            os.kill(pool.pids[0], signal.SIGKILL)  # what it waits for
        assert done


async def test_a_worker_that_grows_old_while_all_are_renewed_has_one_successor(
    softhsm: SoftHsm,
) -> None:
    async with open_pool(softhsm, workers=2, max_calls=1) as pool:
        renewing = asyncio.create_task(pool.renew())
        await asyncio.sleep(0.05)  # the first successor is starting
        await asyncio.gather(ask(pool), ask(pool))
        await renewing
        await asyncio.sleep(2)  # nobody else is started
        assert pool.ready == 2


async def test_a_key_that_is_not_found_costs_no_worker_unless_new_sessions_are_asked_for(
    softhsm: SoftHsm,
) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        first = set(pool.pids)
        made = await pool.run(CreateRegistrationResponse(REQUEST, resident=True))
        await pool.run(DestroyOprfKey(made.oprf_key.public_key))
        ke1, _ = client.generate_ke1(b"password")
        record = RegistrationRecord(GENERATOR, bytes(32), Envelope(bytes(32), bytes(32)))
        job = GenerateKE2.of(ke1, made.oprf_key, record.encode(), b"client", b"server")
        with pytest.raises(KeyNotFound):
            await pool.run(job)
        assert set(pool.pids) == first
        pool.renew_soon()
        while first & set(pool.pids):
            await asyncio.sleep(0.01)
        await until_ready(pool, 2)
        second = set(pool.pids)
        pool.renew_soon()
        with pytest.raises(KeyNotFound):
            await pool.run(job)
        assert set(pool.pids) == second


class TestAnchor:
    """`TokenAnchor` over real workers."""

    async def test_an_older_value_that_new_sessions_see_too_was_put_there(
        self, softhsm: SoftHsm
    ) -> None:
        async with open_pool(softhsm, workers=2) as pool:
            await TokenAnchor(pool).advance(FIRST, SECOND)
            with open_token(softhsm.settings()) as token:
                token.anchor.replace(FIRST)
            before = set(pool.pids)
            with pytest.raises(AnchorMoved):
                await TokenAnchor(pool).advance(SECOND, THIRD)
            assert not before & set(pool.pids)

    async def test_a_token_that_has_lost_both_slots_stops_the_vault(self, softhsm: SoftHsm) -> None:
        """It must not go on without an anchor, nor wear out worker after worker."""
        async with open_pool(softhsm, workers=2) as pool:
            await TokenAnchor(pool).advance(FIRST, SECOND)
            with open_token(softhsm.settings()) as token:
                token.anchor.remove()
            before = set(pool.pids)
            with pytest.raises(AnchorMoved, match="lost its anchor"):
                await TokenAnchor(pool).advance(SECOND, THIRD)
            assert not before & set(pool.pids)
            assert (pool.ready, pool.replaced) == (2, 0)
            assert await TokenAnchor(pool).read() is None  # nothing was put in its place

    @pytest.mark.parametrize("seen", [FIRST, None], ids=["older", "none"])
    async def test_what_one_session_alone_sees_is_not_believed(
        self, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch, seen: Anchored | None
    ) -> None:
        async with open_pool(softhsm, workers=2) as pool:
            await TokenAnchor(pool).advance(FIRST, SECOND)
            stale = set(pool.pids)
            run = pool.run

            async def stale_at_first(job: Any) -> Any:
                return AnchorIs(seen) if stale & set(pool.pids) else await run(job)

            monkeypatch.setattr(pool, "run", stale_at_first)
            await TokenAnchor(pool).advance(SECOND, THIRD)
            assert await TokenAnchor(pool).read() == THIRD

    async def test_a_newer_value_is_another_vaults(self, softhsm: SoftHsm) -> None:
        async with open_pool(softhsm) as pool:
            await TokenAnchor(pool).advance(FIRST, SECOND)
            before = pool.pids
            with pytest.raises(AnchorMoved):
                await TokenAnchor(pool).advance(FIRST, THIRD)
            assert pool.pids == before


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
