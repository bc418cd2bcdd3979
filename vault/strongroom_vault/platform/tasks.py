"""Tasks that run to their end even if their caller is cancelled, and background tasks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger()

Result = TypeVar("Result")


class TaskGroup:
    """Tasks that run to their end even if their caller is cancelled; `drain` waits for them."""

    def __init__(self, name: str | None = None) -> None:
        """With a name, nobody awaits the tasks: an error in one is a bug, logged under that name.

        Without one, an error belongs to the caller, and is dropped when that one was cancelled.
        """
        self._name = name
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """Run `work` in a task that is kept alive until it ends."""
        task = asyncio.create_task(work, name=self._name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Await `work` in a task that goes on when the caller is cancelled."""
        return await asyncio.shield(self.start(work))

    async def drain(self) -> None:
        """Wait until all tasks have ended, also those that start meanwhile."""
        while self._running:
            await asyncio.wait(self._running)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if self._name is not None:
            _log_error(task)
        elif not task.cancelled():
            task.exception()  # retrieved: asyncio would log it otherwise


def background(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Run work that nobody awaits before the process goes down; `name` is what the log calls it.

    An error in it is a bug. It is logged when it happens: whoever cancels the task at the end would
    be the first to see it, perhaps months later.
    """
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_log_error)
    return task


async def cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task, wait until it has ended, and raise the error that it had ended with."""
    task.cancel()
    await asyncio.wait([task])  # not `await task`: a caller who is cancelled must notice
    if not task.cancelled():
        task.result()


def _log_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("internal error", error=type(error).__name__, where=task.get_name())
