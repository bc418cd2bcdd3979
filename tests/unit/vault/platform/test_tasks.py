"""Tasks that outlive their caller, and tasks of the background."""

from __future__ import annotations

import asyncio

import pytest
import structlog

from strongroom_vault.platform.tasks import TaskGroup, background, cancel


async def test_work_ends_although_its_caller_was_cancelled() -> None:
    group, may_end, done = TaskGroup(), asyncio.Event(), []

    async def work() -> None:
        await may_end.wait()
        done.append(True)

    caller = asyncio.create_task(group.run(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert (len(group), done) == (1, [])
    may_end.set()
    await group.drain()
    assert (len(group), done) == (0, [True])


async def test_a_caller_gets_the_result_or_the_error() -> None:
    async def divide(number: int) -> float:
        return 1 / number

    group = TaskGroup()
    assert await group.run(divide(2)) == 0.5
    with pytest.raises(ZeroDivisionError):
        await group.run(divide(0))


async def test_tasks_that_start_meanwhile_are_waited_for() -> None:
    group, done = TaskGroup(), []

    async def second() -> None:
        done.append(2)

    async def first() -> None:
        await asyncio.sleep(0)
        group.start(second())
        done.append(1)

    group.start(first())
    await group.drain()
    assert done == [1, 2]


async def test_an_error_in_the_background_is_logged_when_it_happens() -> None:
    async def work() -> None:
        raise LookupError("a secret")

    with structlog.testing.capture_logs() as lines:
        task = background(work(), "sweep")
        await asyncio.wait([task])
        await asyncio.sleep(0)  # for the callbacks
    assert lines == [
        {
            "event": "internal error",
            "log_level": "error",
            "error": "LookupError",
            "where": "sweep",
        }
    ]
    with pytest.raises(LookupError):
        await cancel(task)


async def test_who_cancels_a_task_waits_for_its_end() -> None:
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    with structlog.testing.capture_logs() as lines:
        task = background(work(), "health")
        await asyncio.sleep(0)
        await cancel(task)
    assert (ended, lines) == ([True], [])


async def test_who_is_cancelled_meanwhile_notices() -> None:
    """As a start that is cut off while it goes down again."""
    may_end = asyncio.Event()

    async def slow_to_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    task = background(slow_to_end(), "slow")
    await asyncio.sleep(0)
    canceller = asyncio.create_task(cancel(task))
    await asyncio.sleep(0)
    canceller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await canceller
    may_end.set()
    await asyncio.wait([task])
