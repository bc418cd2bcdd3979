"""The one message of a call: whole, of its kind, and in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from guarded import Guarded, guarded, open_call, reason, refused, send

from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.api import requests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT_S = 20


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path) as found, asyncio.timeout(WAIT_S):
        yield found


async def test_a_message_is_read(world: Guarded) -> None:
    body = pb.GetKeyRequest(suite=pb.SUITE_OPAQUE_3DH_P256_SHA256).SerializeToString()
    answer = await send(world.connect(), metadata=world.bearer(), body=body)
    assert pb.GetKeyResponse.FromString(answer).WhichOneof("state") == "absent"


async def test_what_is_not_a_message_is_malformed(world: Guarded) -> None:
    error = await refused(send(world.connect(), metadata=world.bearer(), body=b"\xff\xff"))
    assert reason(error) == "MALFORMED"
    assert error.details() == "request: it is not a message of this call"
    assert world.handlers.callers == []


async def test_a_call_without_a_message_is_malformed(world: Guarded) -> None:
    call = open_call(world.connect(), metadata=world.bearer(), requests=iter(()))
    error = await refused(call)
    assert (reason(error), error.details()) == ("MALFORMED", "request: it is missing")


async def test_a_message_that_does_not_come_is_not_waited_for(
    world: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUEST_S", 0.1)
    error = await refused(open_call(world.connect(), metadata=world.bearer()))
    assert (reason(error), error.details()) == ("OVERLOADED", "the request did not come in time")
    assert world.handlers.callers == []
