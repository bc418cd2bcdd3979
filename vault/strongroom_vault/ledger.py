"""The records, changed by one writer: decide, commit, only then answer.

Requests that arrive while a commit is under way share the next one (group commit). A caller of
`change` goes on only when its decision is durable, so whatever it does next (evaluate, answer) has
been charged. Several changes of one record in one commit are decided in order, each on the record
that the one before it left.

The order of a commit: 1. decide, 2. database commit, 3. (the anchor's place), 4. callers go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from strongroom_vault.codec import decode_record, encode_record
from strongroom_vault.errors import RollbackDetected, StoreUnavailable
from strongroom_vault.record import Record
from strongroom_vault.sealing import RowSealer, SealBroken
from strongroom_vault.store.interface import Row, Store, StoreError, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strongroom_vault.policy import Decision

MAX_BATCH: Final = 256
"""So many changes share a commit at most."""

RETRY_AFTER_STORE_ERROR: Final = 5.0
"""Seconds that a client is asked to wait when the store did not commit."""

Outcome = TypeVar("Outcome")
Buckets: TypeAlias = "dict[int, Mapping[bytes, bytes]]"


@dataclass(frozen=True, slots=True)
class _Change(Generic[Outcome]):
    """One caller's wish: how to decide, and where it waits for the outcome."""

    record_id: bytes
    decide: Callable[[Record], Decision[Outcome]]
    outcome: asyncio.Future[Outcome]


class Ledger:
    """Verified reads and group commit over a store. Owned by one event loop."""

    def __init__(self, store: Store, record_sealing_key: bytes) -> None:
        self._store = store
        self._sealer = RowSealer(record_sealing_key)
        self._waiting: deque[_Change[Any]] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self.commits = 0
        self.changes = 0

    def start(self) -> None:
        """Start the writer in the running event loop."""
        self._writer = asyncio.create_task(self._write(), name="ledger writer")

    async def change(
        self, record_id: bytes, decide: Callable[[Record], Decision[Outcome]]
    ) -> Outcome:
        """Apply `decide` to a record; return the outcome once the new record is durable.

        `decide` is pure and runs in the writer's thread. A decision that leaves the record as it
        was writes nothing, but waits for what it was decided upon.

        Raises:
            Refusal: the outcome was one; or StoreUnavailable, and nothing changed; or
                RollbackDetected, and the row is not what this vault wrote.
            RuntimeError: the ledger is closed or was never started.
        """
        if self._writer is None or self._writer.done():
            raise RuntimeError("the ledger has no writer")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Change(record_id, decide, outcome))
        self._wake.set()
        return await outcome

    async def sweep_bucket(
        self, bucket: int, decide: Callable[[Record], Decision[bool]]
    ) -> Sequence[bytes]:
        """Apply `decide` to every record of a bucket that it would change; return their ids."""
        loop = asyncio.get_running_loop()
        ids = await loop.run_in_executor(self._disk, self._find, bucket, decide)
        return [record_id for record_id in ids if await self.change(record_id, decide)]

    async def check(self) -> None:
        """Raise StoreError unless the store answers."""
        await asyncio.get_running_loop().run_in_executor(self._disk, self._store.check)

    async def close(self) -> None:
        """Finish every change that was accepted. The store is its opener's to close."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._wake.set()
            await writer
        self._disk.shutdown()

    async def _write(self) -> None:
        """The one writer: a batch at a time until closed and empty."""
        loop = asyncio.get_running_loop()
        while self._writer is not None or self._waiting:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            done = loop.run_in_executor(self._disk, self._commit, batch)
            await asyncio.wait([done])
            _answer(batch, done)

    def _commit(self, batch: Sequence[_Change[Any]]) -> list[Any]:
        """Decide every change of the batch in order and commit them; return the outcomes."""
        buckets: Buckets = {}
        before: dict[bytes, Record] = {}
        after: dict[bytes, Record] = {}
        try:
            outcomes = [self._decide(change, buckets, before, after) for change in batch]
            rows = [
                Row(record_id, self._sealer.seal(encode_record(record), record_id))
                for record_id, record in after.items()
                if record != before[record_id]
            ]
            if rows:
                self._store.commit(rows)
        except StoreError as error:
            raise StoreUnavailable(str(error), RETRY_AFTER_STORE_ERROR) from error
        self.commits += bool(rows)
        self.changes += len(rows)
        return outcomes

    def _decide(
        self,
        change: _Change[Any],
        buckets: Buckets,
        before: dict[bytes, Record],
        after: dict[bytes, Record],
    ) -> object:
        """Decide one change on the newest record; a broken row refuses only its own requests."""
        record_id = change.record_id
        if record_id not in after:
            try:
                before[record_id] = after[record_id] = self._read(record_id, buckets)
            except SealBroken:
                return RollbackDetected("a record in the database is not what this vault wrote")
        decision = change.decide(after[record_id])
        after[record_id] = decision.record
        return decision.outcome

    def _read(self, record_id: bytes, buckets: Buckets) -> Record:
        bucket = bucket_of(record_id)
        if bucket not in buckets:
            buckets[bucket] = self._store.read_bucket(bucket)
        row = buckets[bucket].get(record_id)
        return Record() if row is None else decode_record(self._sealer.open(row, record_id))

    def _find(self, bucket: int, decide: Callable[[Record], Decision[bool]]) -> list[bytes]:
        """Ids of the records in a bucket that `decide` would change; broken rows are left alone."""
        buckets: Buckets = {}
        buckets[bucket] = self._store.read_bucket(bucket)
        found = []
        for record_id in buckets[bucket]:
            try:
                record = self._read(record_id, buckets)
            except SealBroken:
                continue
            if decide(record).record != record:
                found.append(record_id)
        return found


def _answer(batch: Sequence[_Change[Any]], done: asyncio.Future[list[Any]]) -> None:
    """Wake every caller of the batch; one that has gone away meanwhile needs no answer."""
    error = done.exception()
    outcomes = [error] * len(batch) if error is not None else done.result()
    for change, outcome in zip(batch, outcomes, strict=True):
        if change.outcome.done():
            continue
        if isinstance(outcome, BaseException):
            change.outcome.set_exception(outcome)
        else:
            change.outcome.set_result(outcome)
