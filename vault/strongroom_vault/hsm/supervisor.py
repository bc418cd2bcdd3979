"""The lives of the token workers: starts them, replaces the lost and the old, watches the idle.

The replacement of a worker that still works, because it is old or because all are renewed:

1. Mark it as being replaced, before anything is awaited. Age, a renewal and its death may come at
   the same time. Two successors of one worker would leave the pool with one more each time, until
   memory or the token's sessions run out.
2. Start the successor (`starting.py`: one at a time, and a refused PIN is final).
3. Let the successor take jobs.
4. Only then retire the old one. If it ended first, its jobs would wait for a start, about a second;
   and if the successor were refused, a worker that could have served on would be gone for nothing.
5. Close its pipe once it is idle, so that it ends after its last answer: a job once begun has been
   charged to somebody.

A worker that is lost is killed first: one that hangs may still answer or write. Its successor is
started with a growing back-off, and no more once the PIN is refused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_vault.errors import HsmUnavailable, OperatorError, WrongPin
from strongroom_vault.hsm.process import WorkerLost, WorkerProcess, WorkerRefused
from strongroom_vault.hsm.starting import WorkerStarter
from strongroom_vault.platform.tasks import TaskGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.hsm.jobs import Hello, Ready

log = structlog.get_logger()

RETRY_AFTER: Final = 1.0
RENEW_AT_MOST_EVERY: Final = 60.0
"""Seconds: an account whose key is gone from the token cannot keep the workers restarting."""


class Supervisor:
    """Keeps a number of workers alive. Lends idle ones: `take`, then `give_back` or `lose`."""

    def __init__(
        self, hello: Hello, *, workers: int, max_calls: int, on_idle: Callable[[], None]
    ) -> None:
        """A worker is old after `max_calls` jobs; `on_idle` is called whenever one becomes idle."""
        self.workers = workers
        self._max_calls = max_calls
        self._on_idle = on_idle
        self._starter = WorkerStarter(hello)
        self._alive: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._tasks = TaskGroup("token workers")
        self._watchers = TaskGroup("watch on token workers")
        self._renewing = asyncio.Lock()
        self._renewable_at = 0.0
        self.replaced = 0
        self.renewed = 0

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that have an open session and are to stay."""
        return [worker.pid for worker in self._alive]

    @property
    def ready(self) -> int:
        """How many workers these are."""
        return len(self._alive)

    @property
    def is_stopping(self) -> bool:
        """Whether the vault goes down."""
        return self._starter.is_stopped

    async def start(self) -> Ready:
        """Start all workers.

        Raises:
            OperatorError: a worker cannot open the token, and says why.
        """
        try:
            ready = await self._start_worker()
            for _ in range(self.workers - 1):
                await self._start_worker()
        except (WorkerRefused, WorkerLost) as error:
            await self.close()
            kind = OperatorError if self._starter.final_refusal is None else WrongPin
            hint = error.hint if isinstance(error, WorkerRefused) else ""
            raise kind(f"the token cannot be used: {error}", hint) from error
        return ready

    def stop(self) -> None:
        """Start no more workers; those that are there go on."""
        self._starter.stop()

    async def close(self) -> None:
        """End the workers. None may be lent any more."""
        self.stop()
        await self._tasks.drain()
        await asyncio.gather(*(worker.retire() for worker in self._alive))
        self._alive.clear()

    def take(self) -> WorkerProcess | None:
        """Lend an idle worker, if there is one."""
        return self._idle.pop() if self._idle else None

    def give_back(self, worker: WorkerProcess) -> None:
        """Make a worker idle again; an old one goes on until its successor is there."""
        if worker.calls >= self._max_calls and not worker.is_being_replaced:
            worker.is_being_replaced = True  # 1
            worker.replacement = self._tasks.start(self._replace_old(worker))
        self._put(worker)

    def lose(self, worker: WorkerProcess, problem: str) -> None:
        """Replace a worker that cannot go on, unless its successor is on the way."""
        log.error("token worker lost", pid=worker.pid, problem=problem)
        self._alive.discard(worker)
        self._tasks.start(worker.kill())
        if not (worker.is_retired or worker.is_being_replaced):
            self._tasks.start(self._replace_lost())

    async def renew(self) -> None:
        """Replace every worker by one that starts now, and wait until the old ones have ended.

        Raises:
            HsmUnavailable: a worker does not start; the old ones that are left go on.
        """
        async with self._renewing:  # two renewals at once would replace each worker twice
            self._starter.begin_generation()
            for worker in list(self._alive):
                if worker not in self._alive:
                    continue  # lost meanwhile, and replaced
                if worker.replacement is not None and self._starter.final_refusal is None:
                    await self._until_replaced(worker, worker.replacement)
                else:
                    await self._replace_now(worker)
                await worker.wait()

    def renew_soon(self) -> None:
        """Start a renewal without waiting for it, because a record's key was not found.

        Not again within RENEW_AT_MOST_EVERY.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._renewable_at and not self.is_stopping:
            self._renewable_at = now + RENEW_AT_MOST_EVERY
            log.error("the token does not find a record's key; its sessions are opened anew")
            self._tasks.start(self._renew_if_possible())

    async def _renew_if_possible(self) -> None:
        try:
            await self.renew()
        except HsmUnavailable as error:
            log.warning("the token workers are not renewed", problem=str(error))

    async def _until_replaced(self, worker: WorkerProcess, replacement: asyncio.Task[None]) -> None:
        """Wait for the successor of an old worker, which is on the way already.

        Raises:
            HsmUnavailable: none comes: the vault goes down, or the PIN is refused.
        """
        await asyncio.wait([replacement])
        if worker in self._alive:
            raise HsmUnavailable("an old token worker has no successor", RETRY_AFTER)

    async def _replace_now(self, worker: WorkerProcess) -> None:
        """Replace a worker, in one try.

        Raises:
            HsmUnavailable: the successor does not start. The old one goes on; if it has died
                meanwhile, it is replaced as any lost one.
        """
        before, worker.is_being_replaced = worker.is_being_replaced, True  # 1
        try:
            await self._start_worker()  # 2, 3
        except (WorkerRefused, WorkerLost) as error:
            worker.is_being_replaced = before
            if worker not in self._alive:
                self._tasks.start(self._replace_lost())
            raise HsmUnavailable(str(error), RETRY_AFTER) from error
        self._retire(worker)  # 4

    async def _replace_lost(self) -> None:
        successor = await self._starter.start_with_back_off()
        if successor is not None:
            self._add(successor)
            self.replaced += 1

    async def _replace_old(self, worker: WorkerProcess) -> None:
        if worker.is_retired:
            return  # a renewal was quicker
        successor = await self._starter.start_with_back_off()  # 2
        if successor is not None:
            self._add(successor)  # 3
            self.renewed += 1
            self._retire(worker)  # 4

    async def _start_worker(self) -> Ready:
        """Start a worker, and let it take jobs; raises as `WorkerStarter.start`."""
        worker, ready = await self._starter.start()
        self._add(worker)
        return ready

    def _add(self, worker: WorkerProcess) -> None:
        """Let a worker that has just started take jobs.

        Nothing may be awaited since its start: a renewal must find it either starting or alive.
        """
        self._alive.add(worker)
        self._put(worker)
        self._watchers.start(self._watch(worker))

    def _put(self, worker: WorkerProcess) -> None:
        if worker.is_retired:
            self._tasks.start(worker.retire())  # 5
        else:
            self._idle.append(worker)
            self._on_idle()

    def _retire(self, worker: WorkerProcess) -> None:
        """Let a worker end: now if it is idle, else when it is given back."""
        self._alive.discard(worker)
        worker.is_retired = True
        if worker in self._idle:
            self._idle.remove(worker)
            self._put(worker)

    async def _watch(self, worker: WorkerProcess) -> None:
        """Replace a worker that ends while it is idle, before it is handed a job."""
        await worker.ended()
        if worker not in self._idle:
            return  # whoever waits for its answer notices
        self._idle.remove(worker)
        if not self.is_stopping:
            self.lose(worker, "it ended while it was idle")
