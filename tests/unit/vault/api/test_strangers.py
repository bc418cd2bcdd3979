"""Calls without an access token: a few on each connection, whatever service they are of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from guarded import Guarded, guarded, open_call, reason, refused, send

from strongroom_vault.api import requests
from strongroom_vault.api.strangers import MAX_CALLS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT_S = 20
SERVING = health_pb2.HealthCheckResponse.SERVING


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path, in_flight=100) as found, asyncio.timeout(WAIT_S):
        yield found


async def test_a_connection_has_a_few_calls_and_another_has_its_own(world: Guarded) -> None:
    world.handlers.may_answer.clear()
    channel = world.connect()
    held = [send(channel, "GetVault") for _ in range(MAX_CALLS)]
    while world.guard.in_flight < MAX_CALLS:
        world.handlers.called.clear()
        await world.handlers.called.wait()
    error = await refused(send(channel, "GetVault"))
    assert reason(error) == "OVERLOADED"
    assert error.details() == "too many requests on this connection at once"
    world.handlers.may_answer.set()
    await send(world.connect(), "GetVault")
    await asyncio.gather(*held)


async def test_a_call_that_is_over_makes_room(world: Guarded) -> None:
    channel = world.connect()
    for _ in range(3 * MAX_CALLS):
        await send(channel, "GetVault")
    assert len(world.handlers.callers) == 3 * MAX_CALLS


async def test_watchers_of_health_are_counted_too(world: Guarded) -> None:
    world.health.set(serving=True)
    channel = world.connect()
    stub = health_pb2_grpc.HealthStub(channel)
    watches = [
        stub.Watch(health_pb2.HealthCheckRequest(), timeout=WAIT_S) for _ in range(MAX_CALLS)
    ]
    for watch in watches:
        assert (await watch.read()).status == SERVING
    error = await refused(stub.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    error = await refused(send(channel, "GetVault"))
    assert error.details() == "too many requests on this connection at once"
    other = health_pb2_grpc.HealthStub(world.connect())
    answer = await other.Check(health_pb2.HealthCheckRequest(), timeout=WAIT_S)
    assert answer.status == SERVING


async def test_a_request_of_another_service_must_come_in_time(
    world: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUEST_S", 0.1)
    error = await refused(open_call(world.connect(), "/grpc.health.v1.Health/Check"))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert error.details() == "the request did not come in time"
