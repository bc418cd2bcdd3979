"""Rotation of the wrap key, while the vault serves.

1. A second wrap key is made in the token, and every worker renewed: what is wrapped from now on is
   under it.
2. Registrations that began under the old key are refused, so that none brings it back, and those
   that were let through before are waited for.
3. Every record is rewrapped, bucket by bucket, until a walk finds none under an older key.
4. The keys that were there before are destroyed, no others, and every worker renewed, with its copy
   of them.

Wherever this is cut off, doing it again goes on from there: what there is to do is seen in the
token and in the records. Afterwards every older copy of the database is useless even with the
token.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from strongroom_vault.errors import HsmUnavailable, Refusal, StoreUnavailable
from strongroom_vault.hsm.jobs import DestroyWrapKeys, MakeWrapKey, Rewrap
from strongroom_vault.records import upkeep
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.record import Active, Record
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.group_commit import Ledger

log = structlog.get_logger()

AT_ONCE: Final = 8
"""So many records are rewrapped at once; attempts find their place between them."""
PAUSE_S: Final = 1.0
"""Before a step that token or store refused is tried again."""


class Stage(Enum):
    """How far a rotation is."""

    IDLE = "idle"
    PREPARING = "preparing"
    REWRAPPING = "rewrapping"
    DESTROYING = "destroying"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class Progress:
    """What an operator sees.

    Attributes:
        stage: how far.
        wrap_key: number of the new wrap key, once it is known.
        buckets_done: of this walk over the records.
        buckets: that hold any record.
        rewrapped: records, in all walks.
        problem: what the last try failed with; empty when none did.
    """

    stage: Stage = Stage.IDLE
    wrap_key: int = 0
    buckets_done: int = 0
    buckets: int = 0
    rewrapped: int = 0
    problem: str = ""


class Rotation:
    """At most one rotation at a time. Owned by one event loop."""

    def __init__(
        self, pool: TokenPool, ledger: Ledger, refuse_wrap_keys_before: Callable[[int], None]
    ) -> None:
        """Prepare.

        Args:
            pool: the token's workers.
            ledger: where the records are.
            refuse_wrap_keys_before: makes the service register no key under an older wrap key.
        """
        self._pool = pool
        self._ledger = ledger
        self._refuse_wrap_keys_before = refuse_wrap_keys_before
        self._task: asyncio.Task[None] | None = None
        self.progress = Progress()
        self.rewrapped = 0

    @property
    def is_under_way(self) -> bool:
        """Whether a rotation has begun and not ended."""
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Begin, or go on where an earlier rotation was cut off; nothing if one is under way."""
        if not self.is_under_way:
            self.progress = Progress(Stage.PREPARING)
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cut a rotation off."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        task = asyncio.ensure_future(self._rotate())
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
        error = task.exception()
        if error is not None:
            self.progress.stage = Stage.FAILED
            self.progress.problem = str(error) if isinstance(error, Refusal) else repr(error)
            log.error("rotation failed", problem=self.progress.problem)

    async def _rotate(self) -> None:
        progress = self.progress
        numbers = (await self._retry(lambda: self._pool.run(MakeWrapKey()))).numbers
        *older, newest = numbers
        progress.wrap_key = newest
        await self._retry(self._pool.renew)
        self._refuse_wrap_keys_before(newest)
        # Once this is committed, so is every registration that was let through before.
        await self._retry(lambda: self._ledger.note(EventKind.WRAP_KEY_MADE, wrap_key=newest))
        log.info("rotation", stage="rewrapping", wrap_key=newest)
        progress.stage = Stage.REWRAPPING
        while await self._walk(frozenset(older)):
            pass
        progress.stage = Stage.DESTROYING
        await self._retry(lambda: self._pool.run(DestroyWrapKeys(tuple(older))))
        await self._retry(self._pool.renew)
        await self._retry(lambda: self._ledger.note(EventKind.WRAP_KEY_DESTROYED, before=newest))
        log.info("rotation", stage="done", wrap_key=newest, rewrapped=progress.rewrapped)
        progress.stage = Stage.DONE

    async def _walk(self, older: frozenset[int]) -> int:
        """Rewrap what is under one of these keys; return how many records that were.

        A record under a key that the token had not when the rotation began is lost already: its
        owner registers again, and nothing waits for it.
        """
        occupied = self._ledger.occupied_buckets()
        self.progress.buckets, self.progress.buckets_done = len(occupied), 0
        found = 0
        for bucket in occupied:
            found += await self._retry(partial(self._rewrap, bucket, older))
            self.progress.buckets_done += 1
        return found

    async def _rewrap(self, bucket: int, older: frozenset[int]) -> int:
        records = await self._ledger.read_bucket(bucket)
        found = [name for name, record in records.items() if _is_under(record, older)]
        for first in range(0, len(found), AT_ONCE):
            names = found[first : first + AT_ONCE]
            await asyncio.gather(*(self._rewrap_record(name, records[name]) for name in names))
        return len(found)

    async def _rewrap_record(self, record_id: bytes, record: Record) -> None:
        if not isinstance(record.state, Active):
            return
        old = record.state.oprf_key
        new = (await self._pool.run(Rewrap(old))).oprf_key
        if await self._ledger.change(record_id, lambda now: upkeep.rewrap(now, old, new)):
            self.progress.rewrapped += 1
            self.rewrapped += 1

    async def _retry(self, step: Callable[[], Coroutine[Any, Any, Any]]) -> Any:  # noqa: ANN401
        """Take a step, again and again while token or store do not answer. Each may be repeated.

        Raises:
            RollbackDetected: nothing more can be done.
        """
        while True:
            try:
                result = await step()
            except (HsmUnavailable, StoreUnavailable, StoreError) as error:
                self.progress.problem = str(error)
                log.warning("rotation waits", problem=str(error))
                await asyncio.sleep(PAUSE_S)
            else:
                self.progress.problem = ""
                return result


def _is_under(record: Record, wrap_keys: frozenset[int]) -> bool:
    state = record.state
    return (
        isinstance(state, Active)
        and not state.oprf_key.is_resident
        and state.oprf_key.wrap_key in wrap_keys
    )
