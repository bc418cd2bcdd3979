"""Starts token workers: one at a time, and never again once the token has refused the PIN."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_vault.hsm.process import WorkerLost, WorkerProcess, WorkerRefused

if TYPE_CHECKING:
    from strongroom_vault.hsm.jobs import Hello, Ready

log = structlog.get_logger()

BACK_OFF: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each try to start a worker again; the last one applies to all later tries.

So a token that comes back is in use within a few seconds. A try costs some tenths of a second of
one core, and there is none after a PIN was refused.
"""


class WorkerStarter:
    """Starts the workers of one pool."""

    def __init__(self, hello: Hello) -> None:
        self._hello = hello
        self._one_at_a_time = asyncio.Lock()
        self._first: Ready | None = None
        self._generation = 0
        self._stopped = asyncio.Event()
        self.final_refusal: str | None = None
        """Why no worker will ever start again; None while one may."""

    def stop(self) -> None:
        """Start no more workers, because the vault shuts down."""
        self._stopped.set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def begin_generation(self) -> None:
        """Make those that are starting now start again: they may have seen the token as it was."""
        self._generation += 1

    async def start(self) -> tuple[WorkerProcess, Ready]:
        """Start a worker, and return it with what it has derived.

        Raises:
            WorkerRefused: it cannot open the token, and says why.
            WorkerLost: it died, took too long, has other keys, or may not be started.
        """
        # 1. Wait for the start before. SoftHSM does not always open a token that eight processes
        #    open at the same moment (5 starts of 12 failed); and a wrong PIN must be noticed before
        #    the next worker tries it.
        async with self._one_at_a_time:
            worker, ready = await self._start_in_this_generation()
            if self._first is None:
                self._first = ready
            # 5. Compare its identity and secrets with those of the first worker. With other keys it
            #    would answer attempts that no client accepts, each of them charged.
            if ready != self._first:
                await worker.kill()
                raise WorkerLost("the token's keys have changed since the vault started")
            return worker, ready

    async def start_with_back_off(self) -> WorkerProcess | None:
        """Start a worker, trying ever more slowly; None once no worker may start any more."""
        tries = 0
        # Without an end but these two: a token that is gone for an hour must be used again when it
        # comes back, with nobody there to restart the vault.
        while not await self._stops_within(BACK_OFF[min(tries, len(BACK_OFF) - 1)]):
            tries += 1
            try:
                worker, _ = await self.start()
            except (WorkerRefused, WorkerLost) as error:
                log.warning("token worker does not start", problem=str(error), tries=tries)
                if self.final_refusal is not None:
                    return None
            else:
                log.info("token worker replaced", tries=tries)
                return worker
        return None

    async def _stops_within(self, pause: float) -> bool:
        """Wait some seconds, or until no more workers are to start: whether that is so."""
        # A pause that went on would keep a vault whose token is away from shutting down.
        with suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._stopped.wait()
        return self.is_stopped

    async def _start_in_this_generation(self) -> tuple[WorkerProcess, Ready]:
        while True:
            # 2. Give up if a worker before was refused for good. Each try of a wrong PIN brings the
            #    token nearer to locking itself, often at the third: fewer tries than there may be
            #    workers. Asked under the lock, so that the refusal of the worker before counts.
            if self.final_refusal is not None:
                raise WorkerLost(f"not tried again: {self.final_refusal}")
            if self.is_stopped:
                raise WorkerLost("the vault is shutting down")
            # 3. Start the process, which opens the token and tests it.
            generation = self._generation
            try:
                worker, ready = await WorkerProcess.start(self._hello)
            except WorkerRefused as error:
                if error.is_final:
                    self.final_refusal = str(error)
                raise
            # 4. If a renewal has begun meanwhile, begin again: this worker may have looked at the
            #    token before the change that all are renewed for.
            if generation == self._generation:
                return worker, ready
            await worker.retire()
