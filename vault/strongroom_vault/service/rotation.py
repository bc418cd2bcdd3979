"""Rotation of the wrap key, while the vault serves: make, refuse, rewrap, destroy.

A rotation that is cut off at any point is resumed by beginning another: the token and the records
show what is left to do. Afterwards no older copy of the database opens, even with the token.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from strongroom_vault.errors import HsmUnavailable, Refusal, StoreUnavailable
from strongroom_vault.hsm.jobs import DestroyWrapKeys, ListWrapKeys, MakeWrapKey, Rewrap
from strongroom_vault.records import upkeep
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.record import Active, Record
from strongroom_vault.service.progress import Progress, Stage
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.group_commit import Ledger

log = structlog.get_logger()

Result = TypeVar("Result")

CONCURRENCY: Final = 8
"""Records that are rewrapped at the same time; attempts find a worker between them."""
PAUSE_S: Final = 1.0
"""Before a step that the token or the store refused is retried."""


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
        """Records, in all rotations."""

    @property
    def is_under_way(self) -> bool:
        """Whether a rotation has begun and not ended."""
        return self._task is not None and not self._task.done()

    def begin(self) -> None:
        """Begin, or resume a rotation that was cut off; nothing if one is under way."""
        if not self.is_under_way:
            self.progress = Progress(Stage.PREPARING)
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Cut a rotation off."""
        # At any point: the next one resumes it. Waited for, because ledger and workers close next.
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Rotate in a task of its own, so that its error can be shown whatever it is."""
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
        """Make, refuse, rewrap, destroy."""
        progress = self.progress
        # 1. Make a new wrap key in the token, with sessions that are new and agree on the wrap keys
        #    that there are: an old session may have lost sight of one, and would make a second with
        #    its number. Renew every worker again: from now on they wrap under the new key. A worker
        #    that knew only the old key would go on wrapping under one that is about to be
        #    destroyed.
        *older, newest = await self._retry(self._make_key)
        progress.wrap_key = newest
        await self._retry(self._pool.renew)
        # 2. Refuse registrations that began under an older key, then commit an event. Once the
        #    event is committed, so is every registration that was let through before, and the walk
        #    sees it. The other way round, only the order in which the loop wakes its tasks would
        #    keep one from being committed after the walk, and its key from being destroyed.
        self._refuse_wrap_keys_before(newest)
        await self._retry(lambda: self._ledger.note(EventKind.WRAP_KEY_MADE, wrap_key=newest))
        # 3. Rewrap every record until a walk finds none under an older key. That nothing is left is
        #    seen, not concluded from what the walks before have done.
        log.info("rotation", stage="rewrapping", wrap_key=newest)
        progress.stage = Stage.REWRAPPING
        while await self._walk(frozenset(older)):
            pass
        # 4. Destroy the wrap keys that were there before, no others, and renew every worker, which
        #    has copies of them. Any earlier, the keys of the records that are left would be lost
        #    for good. What the new sessions see says whether it is done. The event comes last: it
        #    says that this has happened.
        progress.stage = Stage.DESTROYING
        await self._retry(partial(self._destroy_keys, tuple(older), newest))
        await self._retry(lambda: self._ledger.note(EventKind.WRAP_KEY_DESTROYED, before=newest))
        log.info("rotation", stage="done", wrap_key=newest, rewrapped=progress.rewrapped)
        progress.stage = Stage.DONE

    async def _make_key(self) -> tuple[int, ...]:
        """Make the new wrap key where it is missing; return the numbers of all, the newest last."""
        await self._pool.renew()
        return (await self._pool.run(MakeWrapKey(await self._wrap_keys()))).numbers

    async def _destroy_keys(self, older: tuple[int, ...], newest: int) -> None:
        """Destroy the old wrap keys.

        Raises:
            HsmUnavailable: one is still there, for the session did not see it.
        """
        await self._pool.run(DestroyWrapKeys(older))
        await self._pool.renew()
        left = await self._wrap_keys()
        if left != (newest,):
            raise HsmUnavailable(f"the token still has the wrap keys {list(left)}", PAUSE_S)

    async def _wrap_keys(self) -> tuple[int, ...]:
        """Return the numbers of all wrap keys that any of several workers sees, ascending."""
        jobs = [self._pool.run(ListWrapKeys()) for _ in range(self._pool.workers)]
        seen = {number for answer in await asyncio.gather(*jobs) for number in answer.numbers}
        return tuple(sorted(seen))

    async def _walk(self, older: frozenset[int]) -> int:
        """Rewrap what is under one of these keys; return how many such records there were."""
        # Under these, not under all but the newest: a record under a key that the token did not
        # have when the rotation began is lost already, and would keep the rotation from ever
        # ending.
        occupied = self._ledger.occupied_buckets()
        self.progress.buckets, self.progress.buckets_done = len(occupied), 0
        rewrapped = 0
        for bucket in occupied:
            rewrapped += await self._retry(partial(self._rewrap_bucket, bucket, older))
            self.progress.buckets_done += 1
        return rewrapped

    async def _rewrap_bucket(self, bucket: int, older: frozenset[int]) -> int:
        records = await self._ledger.read_bucket(bucket)
        record_ids = [name for name, record in records.items() if _is_under(record, older)]
        for first in range(0, len(record_ids), CONCURRENCY):
            batch = record_ids[first : first + CONCURRENCY]
            await asyncio.gather(*(self._rewrap_record(name, records[name]) for name in batch))
        return len(record_ids)

    async def _rewrap_record(self, record_id: bytes, record: Record) -> None:
        """Rewrap one record's key."""
        if not isinstance(record.state, Active):
            return
        # In the token first, then in the ledger, whose writer must not wait for the token: attempts
        # go on. `upkeep.rewrap` changes nothing if the owner has replaced the key meanwhile.
        old = record.state.oprf_key
        new = (await self._pool.run(Rewrap(old))).oprf_key
        if await self._ledger.change(record_id, lambda now: upkeep.rewrap(now, old, new)):
            self.progress.rewrapped += 1
            self.rewrapped += 1

    async def _retry(self, step: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Take a step until the token and the store answer. Each step may be repeated.

        Raises:
            RollbackDetected: nothing more can be done.
        """
        while True:
            try:
                result = await step()
            except (HsmUnavailable, StoreUnavailable, StoreError) as error:
                # Without an end: a rotation that gave up would leave two wrap keys, and the old
                # copies of the database that it is meant to make useless.
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
