"""The lives of the token workers: starts them, replaces the lost and the old, watches the idle.

A worker that still works is replaced in this order, because it is old or because all are renewed:
mark it, start its successor, let that one take jobs, retire the old one, close its pipe when idle.
A worker that is lost is killed first, and its successor is started with a growing back-off.
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


class _Workers:
    """The workers with an open session that are to stay, and which of them are idle."""

    def __init__(self, on_idle: Callable[[], None], tasks: TaskGroup) -> None:
        self.alive: set[WorkerProcess] = set()
        self._idle: list[WorkerProcess] = []
        self._on_idle = on_idle
        self._tasks = tasks

    def take(self) -> WorkerProcess | None:
        """Lend an idle worker, if there is one."""
        return self._idle.pop() if self._idle else None

    def put(self, worker: WorkerProcess) -> None:
        """Make a worker idle, or end it if it has a successor."""
        if worker.is_retired:
            # 5. Close its pipe only when it is idle, so that it ends after its last answer: a job
            #    that has begun belongs to an attempt that is charged.
            self._tasks.start(worker.retire())
        else:
            self._idle.append(worker)
            self._on_idle()

    def take_away(self, worker: WorkerProcess) -> bool:
        """Let an idle worker take no job any more; return whether it was idle."""
        if worker not in self._idle:
            return False
        self._idle.remove(worker)
        return True

    def retire(self, worker: WorkerProcess) -> None:
        """Let a worker end: now if it is idle, else when it is put back."""
        self.alive.discard(worker)
        worker.is_retired = True
        if self.take_away(worker):
            self.put(worker)


class Supervisor:
    """Keeps a number of workers alive. Lends idle ones: `take`, then `give_back` or `lose`."""

    def __init__(
        self, hello: Hello, *, workers: int, max_calls: int, on_idle: Callable[[], None]
    ) -> None:
        """A worker is old after `max_calls` jobs; `on_idle` is called whenever one becomes idle."""
        self.workers = workers
        self._max_calls = max_calls
        self._starter = WorkerStarter(hello)
        self._tasks = TaskGroup("token workers")
        self._workers = _Workers(on_idle, self._tasks)
        self._watchers = TaskGroup("watch on token workers")
        self._renewing = asyncio.Lock()
        self._renewable_at = 0.0
        self.replaced = 0
        self.renewed = 0

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that have an open session and are to stay."""
        return [worker.pid for worker in self._workers.alive]

    @property
    def ready(self) -> int:
        """How many workers these are."""
        return len(self._workers.alive)

    @property
    def is_stopping(self) -> bool:
        """Whether the vault is shutting down."""
        return self._starter.is_stopped

    async def start(self) -> Ready:
        """Start all workers.

        Raises:
            OperatorError: a worker cannot open the token, and says why.
        """
        try:
            # The first alone: what it cannot open, the others cannot either.
            ready = await self._start_worker()
            for _ in range(self.workers - 1):
                await self._start_worker()
        except (WorkerRefused, WorkerLost) as error:
            # Nothing may be left that holds the token: the operator's next try needs it.
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
        # This order: once stopped no successor begins to start, and after the tasks none is
        # starting. One that came up later would be ended by nobody.
        self.stop()
        await self._tasks.drain()
        await asyncio.gather(*(worker.retire() for worker in self._workers.alive))
        self._workers.alive.clear()

    def take(self) -> WorkerProcess | None:
        """Lend an idle worker, if there is one."""
        return self._workers.take()

    def give_back(self, worker: WorkerProcess) -> None:
        """Make a worker idle again; an old one goes on until its successor is there."""
        if worker.calls >= self._max_calls and not worker.is_being_replaced:
            # 1. Mark it before anything is awaited: age, a renewal and its death may come at the
            #    same time. Two successors of one worker would leave the pool with one more each
            #    time, until memory or the token's sessions run out.
            worker.is_being_replaced = True
            worker.replacement = self._tasks.start(self._replace_old(worker))
        self._workers.put(worker)

    def lose(self, worker: WorkerProcess, problem: str) -> None:
        """Replace a worker that cannot go on, unless its successor is on the way."""
        log.error("token worker lost", pid=worker.pid, problem=problem)
        self._workers.alive.discard(worker)
        # Killed, not asked to end: one that hangs may still write to the token, beside a successor
        # that does the same job again.
        self._tasks.start(worker.kill())
        if not (worker.is_retired or worker.is_being_replaced):
            self._tasks.start(self._replace_lost())

    async def renew(self) -> None:
        """Replace every worker by one that starts now, and wait until the old ones have ended.

        Raises:
            HsmUnavailable: a worker does not start; the old ones that are left go on.
        """
        # Two renewals at once would replace each worker twice.
        async with self._renewing:
            # Before the workers are listed: one that is starting now is not among them, and must
            # not become idle with what it knew of the token before.
            self._starter.begin_generation()
            for worker in list(self._workers.alive):
                if worker not in self._workers.alive:
                    continue  # lost meanwhile, and replaced
                # The successor of an old worker is on the way: a second one would be too many.
                if worker.replacement is not None and self._starter.final_refusal is None:
                    await self._until_replaced(worker, worker.replacement)
                else:
                    await self._replace_now(worker)
                # The caller destroys or believes something when this returns: no worker may be
                # left that could still use what it knew.
                await worker.wait()

    def renew_soon(self) -> None:
        """Start a renewal without waiting for it, because a record's key was not found."""
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
            HsmUnavailable: none comes: the vault is shutting down, or the PIN is refused.
        """
        # Not `await replacement`: a renewal that is cancelled must not cancel it.
        await asyncio.wait([replacement])
        if worker in self._workers.alive:
            raise HsmUnavailable("an old token worker has no successor", RETRY_AFTER)

    async def _replace_now(self, worker: WorkerProcess) -> None:
        """Replace a worker, in one try.

        Raises:
            HsmUnavailable: the successor does not start. The old one goes on; if it has died
                meanwhile, it is replaced as any lost one.
        """
        before, worker.is_being_replaced = worker.is_being_replaced, True  # 1, as in `give_back`
        try:
            await self._start_worker()  # 2 and 3, as in `_replace_old`
        except (WorkerRefused, WorkerLost) as error:
            worker.is_being_replaced = before
            # It has died meanwhile, and `lose` counted on the successor that was on the way.
            if worker not in self._workers.alive:
                self._tasks.start(self._replace_lost())
            raise HsmUnavailable(str(error), RETRY_AFTER) from error
        self._workers.retire(worker)  # 4

    async def _replace_lost(self) -> None:
        successor = await self._starter.start_with_back_off()
        if successor is not None:
            self._add(successor)
            self.replaced += 1

    async def _replace_old(self, worker: WorkerProcess) -> None:
        if worker.is_retired:
            return  # a renewal was quicker
        # 2. Start the successor while the old one goes on. If that one ended first, its jobs would
        #    wait for a start, about a second; and if the successor were refused, a worker that
        #    could have served on would be gone for nothing.
        successor = await self._starter.start_with_back_off()
        if successor is not None:
            self._add(successor)  # 3. Let it take jobs.
            self.renewed += 1
            self._workers.retire(worker)  # 4. Only now retire the old one.

    async def _start_worker(self) -> Ready:
        """Start a worker, and let it take jobs; raises as `WorkerStarter.start`."""
        worker, ready = await self._starter.start()
        self._add(worker)
        return ready

    def _add(self, worker: WorkerProcess) -> None:
        """Let a worker that has just started take jobs."""
        # Nothing may be awaited between its start and here: a renewal must find it either starting
        # or alive, or it would overlook it.
        self._workers.alive.add(worker)
        self._workers.put(worker)
        self._watchers.start(self._watch(worker))

    async def _watch(self, worker: WorkerProcess) -> None:
        """Replace a worker that ends while it is idle, before it is handed a job."""
        await worker.ended()
        # If it was not idle, whoever waits for its answer notices.
        if self._workers.take_away(worker) and not self.is_stopping:
            self.lose(worker, "it ended while it was idle")
