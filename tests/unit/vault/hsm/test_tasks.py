"""Tasks that are waited for, and whose errors are logged without what they say."""

from __future__ import annotations

import asyncio

import structlog.testing

from strongroom_vault.hsm.tasks import Tasks


async def test_it_waits_for_what_its_tasks_spawn_too() -> None:
    tasks, done = Tasks("tests"), list[str]()

    async def second() -> None:
        await asyncio.sleep(0)
        done.append("second")

    async def first() -> None:
        await asyncio.sleep(0)
        tasks.spawn(second())
        done.append("first")

    tasks.spawn(first())
    await tasks.wait()
    assert done == ["first", "second"]
    await tasks.wait()  # nothing runs any more


async def test_an_error_is_logged_by_its_class_alone() -> None:
    tasks = Tasks("tests")

    async def fail() -> None:
        raise ValueError("a secret")

    with structlog.testing.capture_logs() as logged:
        tasks.spawn(fail())
        cancelled = tasks.spawn(asyncio.sleep(60))
        cancelled.cancel()
        await tasks.wait()
        await asyncio.sleep(0)
    assert logged == [
        {"event": "internal error", "error": "ValueError", "where": "tests", "log_level": "error"}
    ]
