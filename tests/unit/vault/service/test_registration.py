"""Registrations: what is malformed changes nothing, one of several wins, limits are kept."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest
from services import IDENTITIES, QUICK, SEALED, Begun, guess

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_vault.errors import KeyReplaced, Malformed, StateExpired
from strongroom_vault.records import registration
from strongroom_vault.service.answers import ActiveKey
from strongroom_vault.service.resident_keys import UNFINISHED_PER_ACCOUNT

if TYPE_CHECKING:
    from services import World


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"registration_record": bytes(129)}, "registration_record"),
        ({"registration_record": b""}, "registration_record"),
        ({"sealed_backup_key": b"s" * 59}, "sealed_backup_key"),
        ({"attempt_limit": 11}, "attempt_limit"),
        ({"state": os.urandom(300)}, "registration_state"),
    ],
)
async def test_malformed_registrations(world: World, change: dict[str, Any], field: str) -> None:
    request, session = client.create_registration_request(b"right")
    started = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(started.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    fields: dict[str, Any] = {
        "state": started.state,
        "registration_record": record.encode(),
        "sealed_backup_key": SEALED,
        "attempt_limit": 0,
    }
    with pytest.raises(Malformed) as refused:
        await world.service.registration.finish("alice", **(fields | change))
    assert refused.value.field == field
    assert await world.service.keys.get("alice") is None


async def test_two_registrations_at_once_leave_one_key(world: World) -> None:
    request, session = client.create_registration_request(b"right")
    first = await world.service.registration.start("alice", request.encode())
    await world.register(b"other")
    response = RegistrationResponse.decode(first.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    with pytest.raises(KeyReplaced):
        await world.service.registration.finish("alice", first.state, record.encode(), SEALED, 0)


async def test_the_newest_registrations_may_be_finished(world: World) -> None:
    begun = [await Begun.of(world) for _ in range(UNFINISHED_PER_ACCOUNT + 1)]
    if world.service.registration._makes_resident_keys:
        with pytest.raises(StateExpired):
            await world.service.registration.finish(*begun[0].finish)
        assert await world.service.keys.get("alice") is None
    registered = await world.service.registration.finish(*begun[1].finish)
    for _ in range(UNFINISHED_PER_ACCOUNT + 1):
        await Begun.of(world)
    assert await world.service.registration.finish(*begun[1].finish) == registered
    await world.start(guess()[0])


async def test_a_registration_is_finished_or_evicted_never_both(world: World) -> None:
    """Whatever the answer was, a key that is registered evaluates."""
    finished = 0
    for _ in range(8):
        first = await Begun.of(world)
        rest = (Begun.of(world) for _ in range(UNFINISHED_PER_ACCOUNT + 1))
        results = await asyncio.gather(
            *rest, world.service.registration.finish(*first.finish), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(result, StateExpired) for result in refused)
        finished += not refused
        if await world.service.keys.get("alice") is not None:
            await world.start(guess(b"right")[0])
            await world.service.keys.delete("alice")
    assert finished


async def limit_of_alice(world: World) -> int:
    found = await world.service.keys.get("alice")
    assert isinstance(found, ActiveKey)
    return found.attempt_limit


async def test_a_limit_is_kept_unless_another_is_named(world: World) -> None:
    await world.register(limit=0)
    assert await limit_of_alice(world) == 10
    await world.register(limit=4)
    await world.register(b"another", limit=0)
    assert await limit_of_alice(world) == 4
    world.service.registration._limits = registration.Limits(default=8, lowest=5, highest=9)
    await world.register(limit=0)
    assert await limit_of_alice(world) == 5
    await world.service.keys.delete("alice")
    await world.register(limit=0)
    assert await limit_of_alice(world) == 8


async def test_a_registration_without_a_limit_may_be_repeated(world: World) -> None:
    finish = (await Begun.of(world)).finish
    registered = await world.service.registration.finish(*finish)
    world.service.registration._limits = registration.Limits(default=3, lowest=3, highest=3)
    assert await world.service.registration.finish(*finish) == registered
    with pytest.raises(KeyReplaced):
        await world.service.registration.finish(*finish[:-1], 3)
