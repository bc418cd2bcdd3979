"""Attempts: charged before they are evaluated, given back when nothing was, whoever leaves."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from services import IDENTITIES, LIMIT, QUICK, SEALED, START, guess

from strongroom_protocol import labels
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_vault.errors import (
    HsmUnavailable,
    KeyDestroyed,
    KeyNotFound,
    KeyReplaced,
    Malformed,
    StoreUnavailable,
    Wait,
    WrongPassword,
)
from strongroom_vault.records import policy
from strongroom_vault.records.record import Destroyed
from strongroom_vault.service.answers import ActiveKey

if TYPE_CHECKING:
    from services import World


async def test_the_last_attempt_may_be_finished_in_its_time_and_is_destroyed_after_it(
    world: World,
) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    assert await world.left() == 0
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    assert isinstance(await world.service.keys.get("alice"), Destroyed)
    with pytest.raises(KeyDestroyed):
        await world.start(guess()[0])


async def test_a_clock_that_jumps_back_gives_no_attempt(world: World) -> None:
    await world.register()
    await world.start(guess()[0])
    world.now -= 10**9
    assert (await world.start(guess()[0])).attempts_left == LIMIT - 2
    world.now += 10**12
    assert (await world.start(guess()[0])).attempts_left == 0
    with pytest.raises(KeyDestroyed):
        await world.start(guess()[0])


async def test_a_token_that_fails_gives_the_attempt_back(world: World) -> None:
    await world.register()
    world.token.fails = True
    for _ in range(5):
        with pytest.raises(HsmUnavailable):
            await world.start(guess()[0])
    assert await world.left() == LIMIT
    world.token.fails = False
    assert (await world.start(guess()[0])).attempts_left == LIMIT - 1


async def test_a_key_that_the_token_does_not_find_is_looked_for_by_new_sessions(
    world: World,
) -> None:
    await world.register()
    world.token.fails = True
    world.token.failure = KeyNotFound
    with pytest.raises(KeyNotFound):
        await world.start(guess()[0])
    assert world.token.renewals == 1
    assert await world.left() == LIMIT


async def test_a_key_that_was_replaced_meanwhile_is_not_looked_for(world: World) -> None:
    """Otherwise whoever has an account could keep all the workers starting."""
    await world.register()
    world.token.failure = KeyNotFound

    async def replace_the_key() -> None:
        world.token.fails = False
        await world.register()

    world.token.before_failing = replace_the_key
    world.token.fails = True
    with pytest.raises(KeyReplaced):
        await world.start(guess()[0])
    assert world.token.renewals == 0


async def test_token_and_store_fail_together(world: World) -> None:
    """The charge stays, and its repetition is free: nobody loses an attempt they could use."""
    await world.register()
    ke1, _ = guess()
    world.token.fails = True

    async def break_the_store() -> None:
        world.store.fails = True

    world.token.before_failing = break_the_store
    with pytest.raises(HsmUnavailable):
        await world.start(ke1)
    world.token.fails = world.store.fails = False
    assert await world.left() == LIMIT - 1
    assert (await world.start(ke1)).attempts_left == LIMIT - 1


async def test_an_anchor_that_fails_gives_the_attempt_back(world: World) -> None:
    await world.register()
    world.anchor.fails = True
    for _ in range(2):
        with pytest.raises(HsmUnavailable):
            await world.start(guess()[0])
    world.anchor.fails = False
    assert await world.left() == LIMIT - 1  # what could not be undone while the anchor was gone
    world.anchor.fails_once = True
    with pytest.raises(HsmUnavailable):
        await world.start(guess()[0])
    assert await world.left() == LIMIT - 1


async def test_a_store_that_fails_evaluates_nothing(world: World) -> None:
    await world.register()
    world.store.fails = True
    evaluated = world.token.may_answer
    evaluated.clear()  # an evaluation would hang
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(world.start(guess()[0]), 5)
    evaluated.set()
    world.store.fails = False
    assert await world.left() == LIMIT


async def test_a_caller_that_goes_away_is_charged_and_can_repeat(world: World) -> None:
    await world.register()
    ke1, _ = guess()
    world.token.may_answer.clear()
    leaving = asyncio.create_task(world.start(ke1))
    while await world.left() == LIMIT:
        await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    draining = asyncio.create_task(world.service.drain())
    await asyncio.sleep(0.05)
    assert not draining.done()
    world.token.may_answer.set()
    await draining
    assert (await world.start(ke1)).attempts_left == LIMIT - 1


async def test_a_caller_that_goes_away_gets_the_attempt_back_all_the_same(world: World) -> None:
    await world.register()
    world.token.may_answer.clear()
    world.token.fails = True
    leaving = asyncio.create_task(world.start(guess()[0]))
    while await world.left() == LIMIT:
        await asyncio.sleep(0.01)
    leaving.cancel()
    world.token.may_answer.set()
    await world.service.drain()
    assert await world.left() == LIMIT


async def test_a_wrong_proof(world: World) -> None:
    await world.register()
    started = await world.start(guess()[0])
    with pytest.raises(WrongPassword):
        await world.service.recovery.finish("alice", started.state, bytes(32))
    with pytest.raises(Malformed):
        await world.service.recovery.finish("alice", started.state, bytes(31))


async def test_back_off(world: World) -> None:
    rules = policy.Rules((30,), serving_since=START)
    context = replace(world.service._context, rules=rules)
    world.service.recovery._context = world.service.keys._context = context
    request, session = client.create_registration_request(b"right")
    started = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(started.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    await world.service.registration.finish("alice", started.state, record.encode(), SEALED, 10)
    for _ in range(3):
        await world.start(guess()[0])
    with pytest.raises(Wait) as waiting:
        await world.start(guess()[0])
    assert waiting.value.retry_after == 30
    found = await world.service.keys.get("alice")
    assert isinstance(found, ActiveKey)
    assert found.wait_until == START + 30_000
    world.now += 30_000
    assert (await world.start(guess()[0])).attempts_left == 6
