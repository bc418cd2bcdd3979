"""The lives of token workers, over real ones and SoftHSM: old, hung, lost, renewed."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

import pytest
from pools import REQUEST, ask, is_alive, open_pool, until_ready, until_settled

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.messages import Envelope, RegistrationRecord
from strongroom_vault.errors import HsmUnavailable, KeyNotFound
from strongroom_vault.hsm.jobs import CreateRegistrationResponse, DestroyOprfKey, GenerateKE2

if TYPE_CHECKING:
    from vault_process import SoftHsm


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
        assert pool.jobs["StartRegistration", "unavailable"] == 1


async def test_an_old_worker_that_dies_has_one_successor(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=1, max_calls=2) as pool:
        (old,) = pool.pids
        await ask(pool)
        await ask(pool)
        await asyncio.sleep(0.05)  # its successor is starting
        os.kill(old, signal.SIGKILL)
        await until_ready(pool, 0)
        await until_ready(pool, 1)
        await until_settled(pool)
        assert pool.ready == 1


async def test_renewed_under_load_every_worker_is_a_new_one(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        before = set(pool.pids)
        jobs = [asyncio.create_task(ask(pool)) for _ in range(200)]
        await pool.renew()
        assert not before & set(pool.pids)
        assert pool.ready == 2
        assert len(await asyncio.gather(*jobs)) == 200
        assert not any(is_alive(pid) for pid in before)


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
        await until_settled(pool)
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
