"""The guard over a real connection: a refused call counts nothing, work that has begun ends."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import grpc
import pytest
from guarded import Guarded, guarded, open_call, reason, refused, send

from strongroom_vault.api import guard, requests
from strongroom_vault.api.caller import ANONYMOUS, Caller
from strongroom_vault.errors import HsmUnavailable, NoKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WAIT_S = 20


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path) as found, asyncio.timeout(WAIT_S):
        yield found


async def test_the_handler_gets_the_caller_of_the_access_token(world: Guarded) -> None:
    channel = world.connect()
    for account in ("alice", "bob"):
        await send(channel, metadata=world.bearer(account))
    await send(channel, "GetVault")
    assert world.handlers.callers == [Caller("alice"), Caller("bob"), ANONYMOUS]
    assert world.observed == [("GetKey", "OK"), ("GetKey", "OK"), ("GetVault", "OK")]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((), "ACCESS_TOKEN_MISSING"),
        ((("authorization", "Basic abc"),), "ACCESS_TOKEN_INVALID"),
        ((("authorization", "Bearer abc"),), "ACCESS_TOKEN_INVALID"),
        ((("authorization", "Bearer a"), ("authorization", "Bearer b")), "ACCESS_TOKEN_INVALID"),
        (None, "SCOPE_MISSING"),
    ],
)
async def test_who_may_not_call_reaches_no_handler(
    world: Guarded, metadata: tuple[tuple[str, str], ...] | None, expected: str
) -> None:
    sent = world.bearer(scope="recover register delete") if metadata is None else metadata
    error = await refused(send(world.connect(), metadata=sent))
    assert reason(error) == expected
    assert world.handlers.callers == []
    assert world.observed == [("GetKey", expected)]


async def test_the_log_tells_which_check_an_access_token_failed_and_not_whose_it_is(
    world: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    ((name, value),) = world.bearer("alice")
    forged = value.rpartition(".")[0] + ".AAAA"
    assert reason(await refused(send(world.connect(), metadata=((name, forged),)))) is not None
    logged = capsys.readouterr().out
    assert "signature" in logged
    assert "alice" not in logged
    assert forged.split(".")[1] not in logged


async def test_of_two_access_tokens_none_is_chosen(world: Guarded) -> None:
    """Whatever stands before the vault might have chosen the other one."""
    both = (*world.bearer("alice"), *world.bearer("bob"))
    assert reason(await refused(send(world.connect(), metadata=both))) == "ACCESS_TOKEN_INVALID"
    assert world.handlers.callers == []


async def test_a_bearer_is_a_bearer_in_any_case(world: Guarded) -> None:
    ((name, value),) = world.bearer()
    await send(world.connect(), metadata=((name, value.replace("Bearer ", "bEARER  ")),))
    assert world.handlers.callers == [Caller("alice")]


async def test_room_comes_before_the_access_token(world: Guarded) -> None:
    """While an operator drains the vault, nobody learns anything about their access token."""
    world.guard.is_draining = True
    assert reason(await refused(send(world.connect()))) == "OVERLOADED"
    assert reason(await refused(send(world.connect(), "GetVault"))) == "OVERLOADED"
    world.guard.is_draining = False
    assert reason(await refused(send(world.connect()))) == "ACCESS_TOKEN_MISSING"


async def test_the_access_token_comes_before_the_request(world: Guarded) -> None:
    """The refusal comes although the caller has sent no request, and never will."""
    assert reason(await refused(open_call(world.connect()))) == "ACCESS_TOKEN_MISSING"


async def test_one_account_has_a_few_places_and_others_have_theirs(world: Guarded) -> None:
    channel = world.connect()
    world.handlers.may_answer.clear()
    held = [send(channel, metadata=world.bearer()) for _ in range(2)]
    while world.guard.in_flight < 2:
        world.handlers.called.clear()
        await world.handlers.called.wait()
    error = await refused(send(channel, metadata=world.bearer()))
    assert (reason(error), error.details()) == (
        "OVERLOADED",
        "too many requests from this account at once",
    )
    other = send(channel, metadata=world.bearer("bob"))
    world.handlers.called.clear()
    await world.handlers.called.wait()
    world.handlers.may_answer.set()
    await asyncio.gather(*held, other)
    await world.guard.drain()
    assert (world.guard.in_flight, dict(world.guard._by_account)) == (0, {})
    await send(channel, metadata=world.bearer())


async def test_all_accounts_together_have_some_places(tmp_path: Path) -> None:
    async with guarded(tmp_path, in_flight=1) as world, asyncio.timeout(WAIT_S):
        world.handlers.may_answer.clear()
        held = send(world.connect(), metadata=world.bearer())
        await world.handlers.called.wait()
        error = await refused(send(world.connect(), metadata=world.bearer("bob")))
        assert (reason(error), error.details()) == ("OVERLOADED", "too many requests at once")
        world.handlers.may_answer.set()
        await held


async def test_a_place_is_taken_when_the_request_is_there(tmp_path: Path) -> None:
    """Two are admitted while there is room for one; the first to send its request gets it."""
    async with guarded(tmp_path, in_flight=1) as world, asyncio.timeout(WAIT_S):
        may_send = asyncio.Event()

        async def late() -> AsyncIterator[bytes]:
            await may_send.wait()
            yield b""

        call = open_call(world.connect(), metadata=world.bearer(), requests=late())
        slower = asyncio.ensure_future(refused(call))
        while not world.guard._by_account["alice"]:
            await asyncio.sleep(0.01)
        world.handlers.may_answer.clear()
        held = send(world.connect(), metadata=world.bearer("bob"))
        await world.handlers.called.wait()
        may_send.set()
        assert (await slower).details() == "too many requests at once"
        world.handlers.may_answer.set()
        await held


async def test_work_goes_on_when_the_caller_leaves_and_keeps_its_places(world: Guarded) -> None:
    world.handlers.may_answer.clear()
    channel = world.connect()
    call = send(channel, metadata=world.bearer())
    await world.handlers.called.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    draining = asyncio.create_task(world.guard.drain())
    # On the same connection, so that the server reads it after it has read that the first one left.
    world.handlers.called.clear()
    other = send(channel, metadata=world.bearer("bob"))
    await world.handlers.called.wait()
    assert (world.guard.in_flight, world.guard._by_account["alice"]) == (2, 1)
    assert not draining.done()
    world.handlers.may_answer.set()
    await asyncio.gather(draining, other)
    assert world.handlers.answered == 2
    assert world.guard.in_flight == 0


async def test_work_goes_on_when_the_time_is_up(
    world: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "MAX_SECONDS", 1.0)
    world.handlers.may_answer.clear()
    error = await refused(send(world.connect(), metadata=world.bearer()))
    assert (reason(error), error.details()) == ("OVERLOADED", "the call took too long")
    assert world.guard.in_flight == 1
    world.handlers.may_answer.set()
    await world.guard.drain()
    assert (world.guard.in_flight, world.handlers.answered) == (0, 1)


async def test_who_sends_no_request_holds_no_place_of_the_vault(
    world: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "REQUEST_S", 0.5)
    channel = world.connect()
    silent = asyncio.ensure_future(refused(open_call(channel, metadata=world.bearer())))
    while not world.guard._by_account["alice"]:
        await asyncio.sleep(0.01)
    assert world.guard.in_flight == 0
    assert reason(await silent) == "OVERLOADED"
    assert dict(world.guard._by_account) == {}


async def test_a_refusal_of_the_service_is_answered_with_its_reason(
    world: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    world.handlers.error = NoKey("nothing here")
    error = await refused(send(world.connect(), metadata=world.bearer()))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, "nothing here")
    request_id = dict(error.trailing_metadata())["request-id"]
    assert len(request_id) == 2 * guard.REQUEST_ID_SIZE
    world.handlers.error = HsmUnavailable("the token is gone", 1.0)
    await refused(send(world.connect(), metadata=world.bearer()))
    logged = capsys.readouterr().out
    assert "call refused" in logged
    assert "check" not in logged
    assert "the token is gone" in logged
    assert "alice" not in logged


async def test_a_bug_is_answered_without_detail(
    world: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    world.handlers.error = ValueError("a secret value")
    error = await refused(send(world.connect(), metadata=world.bearer()))
    assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, "internal error")
    assert reason(error) is None
    assert world.observed == [("GetKey", "INTERNAL")]
    logged = capsys.readouterr().out
    assert "ValueError" in logged
    assert "a secret value" not in logged


async def test_every_call_has_another_request_id(world: Guarded) -> None:
    channel = world.connect()
    calls = [send(channel, metadata=world.bearer()) for _ in range(2)]
    ids = {dict(await call.trailing_metadata())["request-id"] for call in calls}
    assert len(ids) == 2
