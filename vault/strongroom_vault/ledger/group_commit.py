"""The records, changed by one writer, and the proof that they are the newest ones.

Requests that arrive while a commit is under way share the next one (group commit). A caller of
`change` goes on only when its decision is durable and anchored, so whatever it does next (evaluate,
answer) has been charged for good. Several changes of one record in one commit are decided in order,
each on the record that the one before it left.

The order of a commit: 1. decide, 2. database commit, 3. anchor, 4. callers go on.

Every bucket that is read is verified against the Merkle tree in memory, whose root the newest head
states. Whatever does not fit stops the ledger for good: it refuses everything and changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from strongroom_vault.errors import HsmUnavailable, RollbackDetected, StoreUnavailable
from strongroom_vault.ledger import audit
from strongroom_vault.ledger.anchor import AnchorMoved
from strongroom_vault.ledger.head import Head, InvalidHead, open_head, seal_head
from strongroom_vault.ledger.merkle import EMPTY, Bucket, InvalidRow, Tree, Update
from strongroom_vault.platform import traces
from strongroom_vault.records import policy
from strongroom_vault.records.codec import decode_record, encode_record
from strongroom_vault.records.events import Event, EventKind
from strongroom_vault.records.record import Record, StoredOprfKey
from strongroom_vault.records.sealing import InvalidSeal, RowSealer
from strongroom_vault.store.interface import (
    BUCKET_BITS,
    Commit,
    Row,
    Snapshot,
    Store,
    StoreChanged,
    StoreError,
    bucket_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from strongroom_vault.ledger.anchor import Anchor
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.records.policy import Decision

MAX_BATCH: Final = 256
"""So many changes share a commit at most."""

RETRY_AFTER_STORE_ERROR: Final = 5.0
"""Seconds that a client is asked to wait when the store did not commit."""

BROKEN: Final = "a record in the database is not what this vault wrote"

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class _Change(Generic[Outcome]):
    """One caller's wish: how to decide, and where it waits for the outcome."""

    record_id: bytes | None  # None: of no record, only to be noted
    decide: Callable[[Record], Decision[Outcome]]
    outcome: asyncio.Future[Outcome]
    detail: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The two derived keys of a ledger, 32 bytes each."""

    record_sealing: bytes
    head: bytes


@dataclass(slots=True)
class _Draft:
    """A commit in the making: what was read, verified, and what is to become of it."""

    buckets: dict[int, Bucket]
    before: dict[bytes, Record]
    after: dict[bytes, Record]
    events: list[bytes]
    dropped_keys: list[StoredOprfKey]
    event_counts: Counter[EventKind]


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A commit that was handed to the store, until the store says what became of it."""

    head: Head
    sealed_head: bytes
    update: Update
    dropped_keys: list[StoredOprfKey]
    event_counts: Counter[EventKind]


class Unanchored(HsmUnavailable):
    """The change is durable but not anchored, so nobody may act on its `outcome`.

    The next commit anchors it first; a caller may then undo what it had charged.
    """

    def __init__(self, error: HsmUnavailable, outcome: object) -> None:
        super().__init__(str(error), error.retry_after)
        self.outcome = outcome


class Ledger:
    """Verified reads and group commit over a store. Owned by one event loop."""

    def __init__(
        self,
        store: Store,
        anchor: Anchor,
        keys: LedgerKeys,
        vault_id: str,
        on_keys_dropped: Callable[[Sequence[StoredOprfKey]], None] = lambda _: None,
    ) -> None:
        """Make a ledger; `start` opens it.

        Args:
            store: where the rows are.
            anchor: what remembers the newest head.
            keys: of rows and heads.
            vault_id: whose ledger.
            on_keys_dropped: gets the OPRF keys that no record has any more, once that is anchored.
        """
        self._store = store
        self._anchor = anchor
        self._keys = keys
        self._vault_id = vault_id
        self._sealer = RowSealer(keys.record_sealing)
        self._waiting: deque[_Change[Any]] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._tree: Tree
        self._head: Head
        self._anchored: Anchored
        self._on_let_go = on_keys_dropped
        self._dropped_keys: list[StoredOprfKey] = []
        self._unsettled: _Unsettled | None = None
        self.rollback: str | None = None
        self.epoch = 0
        """The number of the newest commit; 0 while there is no head to believe."""
        self._takes_writes = True
        self.is_anchored = True
        """Whether the anchor answered the last time that it was asked."""
        self.commits = 0
        self.changes = 0
        self.event_counts: Counter[EventKind] = Counter()
        self.store_errors = 0
        self.commit_s = 0.0
        self.anchor_s = 0.0

    async def start(self) -> None:
        """Check that the database is the newest one, and start the writer.

        A database that is not sets `rollback`, which says why; then every change is refused.

        Raises:
            HsmUnavailable, StoreError: the check could not be made.
        """
        loop = asyncio.get_running_loop()
        anchored = await self._anchor.read()
        try:
            self._open(await loop.run_in_executor(self._disk, self._store.load), anchored)
            await self._reach_anchor()
        except (InvalidHead, AnchorMoved, StoreChanged) as error:
            self.rollback = str(error)
        self._writer = asyncio.create_task(self._write(), name="ledger writer")

    def _open(self, snapshot: Snapshot, anchored: Anchored | None) -> None:
        """Compare head, tree and anchor.

        Raises:
            InvalidHead: they do not fit together; the message says how.
        """
        self._head = open_head(snapshot.head, self._keys.head, self._vault_id)
        self.epoch = self._head.epoch
        try:
            self._tree = Tree(BUCKET_BITS, snapshot.buckets)
        except InvalidRow as error:
            raise InvalidHead(f"the database has {error}, which no vault wrote") from error
        if self._tree.root != self._head.root:
            raise InvalidHead("the bucket hashes in the database are not those of its head")
        self._anchored = check_newest(self._head, anchored)

    @property
    def waiting(self) -> int:
        """How many changes wait for a commit."""
        return len(self._waiting)

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
        return await self._enqueue(record_id, decide, {})

    async def _enqueue(
        self,
        record_id: bytes | None,
        decide: Callable[[Record], Decision[Outcome]],
        detail: Mapping[str, int],
    ) -> Outcome:
        if self._writer is None or self._writer.done():
            raise RuntimeError("the ledger has no writer")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Change(record_id, decide, outcome, detail))
        self._wake.set()
        with traces.span("commit"):
            return await outcome

    async def note(self, what: EventKind, **detail: int) -> None:
        """Write an operator's act into the audit log; return once that is durable."""
        await self._enqueue(None, lambda record: policy.Decision(record, None, what), detail)

    async def sweep_bucket(
        self, bucket: int, decide: Callable[[Record], Decision[bool]]
    ) -> Sequence[bytes]:
        """Apply `decide` to every record of a bucket that it would change; return their ids."""
        loop = asyncio.get_running_loop()
        ids = await loop.run_in_executor(self._disk, self._find, bucket, decide)
        return [record_id for record_id in ids if await self.change(record_id, decide)]

    def occupied_buckets(self) -> list[int]:
        """Return the numbers of the buckets that hold any record.

        Raises:
            RollbackDetected: the database is not what this vault wrote.
        """
        self._refuse_if_stopped()
        return self._tree.occupied()

    async def read_bucket(self, bucket: int) -> Mapping[bytes, Record]:
        """Return the records of a bucket by id, as of the newest commit.

        Raises:
            StoreError: the store does not answer.
            RollbackDetected: the database is not what this vault wrote.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk, self._read_bucket, bucket)

    async def check(self) -> None:
        """Raise StoreError unless the store answers; let the anchor catch up, if it has to.

        A store that refused the last commit must take a write again before it is believed.

        Raises:
            StoreUnavailable, HsmUnavailable, RollbackDetected: it cannot.
        """
        if not self.is_anchored:
            await self._enqueue(None, lambda record: policy.Decision(record, None), {})
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._disk, self._check_store)

    def _check_store(self) -> None:
        try:
            self._store.check(writes=not self._takes_writes)
        except StoreChanged as error:
            raise self._stopped(str(error)) from error
        self._takes_writes = True

    def _stopped(self, why: str) -> RollbackDetected:
        """Stop for good; return what every caller is told."""
        self.rollback = why
        return RollbackDetected(why)

    async def close(self) -> None:
        """Finish every change that was accepted. The store is its opener's to close."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._wake.set()
            await writer
        self._disk.shutdown()

    async def _write(self) -> None:
        """The one writer: a batch at a time until closed and empty."""
        while self._writer is not None or self._waiting:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            batch = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
            done = asyncio.ensure_future(self._commit_and_anchor(batch))
            await asyncio.wait([done])
            _answer(batch, done)

    async def _commit_and_anchor(self, batch: Sequence[_Change[Any]]) -> list[Any]:
        """Steps 1 to 3 of a commit.

        Raises:
            RollbackDetected: the database or the anchor is not as this vault left it.
            StoreUnavailable: nothing of the batch is there.
            HsmUnavailable: an earlier commit cannot be anchored, so nothing was done.
        """
        self._refuse_if_stopped()
        loop = asyncio.get_running_loop()
        if self._unsettled is not None:
            await loop.run_in_executor(self._disk, self._settle_now)
        await self._reach_anchor_or_stop()
        outcomes = await loop.run_in_executor(self._disk, self._commit, batch)
        try:
            await self._reach_anchor_or_stop()
        except HsmUnavailable as error:
            return [Unanchored(error, outcome) for outcome in outcomes]
        return outcomes

    async def _reach_anchor_or_stop(self) -> None:
        try:
            await self._reach_anchor()
        except AnchorMoved as error:
            self.rollback = str(error)
            raise RollbackDetected(self.rollback) from error
        if self._dropped_keys:
            dropped_keys, self._dropped_keys = self._dropped_keys, []
            self._on_let_go(dropped_keys)

    async def _reach_anchor(self) -> None:
        """Make the anchor remember the newest head, if it does not yet."""
        newest = self._head.anchored
        if self._anchored != newest:
            began = time.perf_counter()
            self.is_anchored = False
            await self._anchor.advance(self._anchored, newest)
            self._anchored = newest
            self.is_anchored = True
            self.anchor_s += time.perf_counter() - began

    def _commit(self, batch: Sequence[_Change[Any]]) -> list[Any]:
        """Decide every change of the batch in order and commit them; return the outcomes."""
        draft = _Draft({}, {}, {}, [], [], Counter())
        now = time.time_ns() // 1_000_000
        began = time.perf_counter()
        try:
            draft.buckets = self._verified_buckets(
                {bucket_of(change.record_id) for change in batch if change.record_id is not None}
            )
            outcomes = [self._decide(change, draft, now) for change in batch]
            rows = self._seal(draft)
            if rows or draft.events:
                self._store_commit(rows, draft, now)
        except StoreChanged as error:
            raise self._stopped(str(error)) from error
        except StoreError as error:
            self.store_errors += 1
            self._takes_writes = False
            raise StoreUnavailable(str(error), RETRY_AFTER_STORE_ERROR) from error
        except InvalidSeal as error:
            raise self._stopped(BROKEN) from error
        self.changes += len(rows)
        self.commit_s += time.perf_counter() - began
        return outcomes

    def _store_commit(self, rows: list[Row], draft: _Draft, now: int) -> None:
        for row in rows:
            draft.buckets[bucket_of(row.id)].put(row.id, row.sealed)
        changed = {bucket_of(row.id) for row in rows}
        buckets = {number: draft.buckets[number].hash for number in changed}
        update = self._tree.plan(buckets)
        head = self._next_head(update, draft.events, now)
        sealed_head = seal_head(head, self._keys.head)
        self._unsettled = unsettled = _Unsettled(
            head, sealed_head, update, draft.dropped_keys, draft.event_counts
        )
        try:
            self._store.commit(Commit(rows, buckets, draft.events, sealed_head))
        except StoreError:
            if not self._settle(unsettled):
                raise
        else:
            self._takes_writes = True
            self._adopt(unsettled)

    def _settle_now(self) -> None:
        """Find out about an earlier commit, whose callers were told that the store is unavailable.

        Raises:
            StoreUnavailable: the store does not say.
        """
        try:
            if self._unsettled is not None:
                self._settle(self._unsettled)
        except StoreChanged as error:
            raise self._stopped(str(error)) from error
        except StoreError as error:
            raise StoreUnavailable(str(error), RETRY_AFTER_STORE_ERROR) from error

    def _settle(self, unsettled: _Unsettled) -> bool:
        """Adopt a commit whose outcome is unknown, if the store has it; return whether it has.

        Raises:
            StoreError: the store does not say; it must, before anything else is read or written.
        """
        if self._store.load().head == unsettled.sealed_head:
            self._adopt(unsettled)
            return True
        self._unsettled = None
        return False

    def _adopt(self, settled: _Unsettled) -> None:
        """Go on from a commit that is durable."""
        self._tree.apply(settled.update)
        self._head = settled.head
        self.epoch = settled.head.epoch
        self._dropped_keys += settled.dropped_keys
        self.event_counts += settled.event_counts
        self.commits += 1
        self._unsettled = None

    def _next_head(self, update: Update, events: Sequence[bytes], now: int) -> Head:
        return replace(
            self._head,
            epoch=self._head.epoch + 1,
            root=update.root,
            audit=audit.extend(self._head.audit, events),
            previous=self._head.anchored.digest,
            time=now,
        )

    def _seal(self, draft: _Draft) -> list[Row]:
        return [
            Row(record_id, self._sealer.seal(encode_record(record), record_id))
            for record_id, record in draft.after.items()
            if record != draft.before[record_id]
        ]

    def _decide(self, change: _Change[Any], draft: _Draft, now: int) -> object:
        """Decide one change on the newest record."""
        record_id = change.record_id
        if record_id is None:
            return self._note(change, draft, now)
        if record_id not in draft.after:
            stored = self._read(record_id, draft.buckets)
            record = policy.after_loss(stored or Record(), self._head.loss_epoch)
            draft.before[record_id] = stored or record
            draft.after[record_id] = record
        before = draft.after[record_id]
        decision = change.decide(before)
        draft.after[record_id] = decision.record
        if (key := policy.dropped_key(before, decision.record)) is not None:
            draft.dropped_keys.append(key)
        if decision.event is not None:
            draft.events.append(Event(decision.event, now, record_id).body())
            draft.event_counts[decision.event] += 1
        return decision.outcome

    def _note(self, change: _Change[Any], draft: _Draft, now: int) -> object:
        decision = change.decide(Record())
        if decision.event is not None:
            detail = tuple(change.detail.items())
            draft.events.append(Event(decision.event, now, detail=detail).body())
            draft.event_counts[decision.event] += 1
        return decision.outcome

    def _read(self, record_id: bytes, buckets: Mapping[int, Bucket]) -> Record | None:
        """Return a record of a verified bucket, None where there is none.

        Raises:
            InvalidSeal: the row is not what this vault wrote.
        """
        row = buckets[bucket_of(record_id)].rows.get(record_id)
        return None if row is None else self._open_row(record_id, row)

    def _verified_buckets(self, numbers: Collection[int]) -> dict[int, Bucket]:
        """Read buckets, all in one go.

        Raises:
            InvalidSeal: one is not what this vault wrote.
        """
        stored = self._store.read_buckets(numbers)
        try:
            buckets = {number: Bucket(rows) for number, rows in stored.items()}
        except InvalidRow as error:
            raise InvalidSeal("a row's id is not one that this vault made") from error
        if any(bucket.hash != self._tree.bucket(number) for number, bucket in buckets.items()):
            raise InvalidSeal("a bucket is not the one that the head states")
        return buckets

    def _open_row(self, record_id: bytes, row: bytes) -> Record:
        return decode_record(self._sealer.open(row, record_id))

    def _find(self, bucket: int, decide: Callable[[Record], Decision[bool]]) -> list[bytes]:
        """Ids of the records in a bucket that `decide` would change."""
        records = self._read_bucket(bucket)
        return [name for name, record in records.items() if decide(record).record != record]

    def _read_bucket(self, bucket: int) -> dict[bytes, Record]:
        """Return the verified records of a bucket by id.

        Never fewer than there are: a rotation destroys the key of those that it is not shown.
        """
        self._refuse_if_stopped()
        if self._unsettled is not None:
            raise StoreError("nobody knows yet whether the last commit is there")
        if self._tree.bucket(bucket) == EMPTY:
            return {}
        try:
            rows = self._verified_buckets((bucket,))[bucket].rows
            return {name: self._open_row(name, row) for name, row in rows.items()}
        except StoreChanged as error:
            raise self._stopped(str(error)) from error
        except InvalidSeal as error:
            raise self._stopped(BROKEN) from error

    def _refuse_if_stopped(self) -> None:
        if self.rollback is not None:
            raise RollbackDetected(self.rollback)


def check_newest(head: Head, anchored: Anchored | None) -> Anchored:
    """Return what the anchor holds, if the database is the newest or one unanswered commit ahead.

    Raises:
        InvalidHead: it is neither; the message says which of the two is older, and by how much.
    """
    if anchored is None:
        raise InvalidHead("the token has no anchor, so nothing says that this database is new")
    if head.anchored == anchored:
        return anchored
    if head.epoch == anchored.epoch + 1 and head.previous == anchored.digest:
        return anchored  # a crash fell between commit and anchor; nothing had been answered
    missing = anchored.epoch - head.epoch
    if missing > 0:
        raise InvalidHead(
            f"the database is older than the token's anchor: {missing} epochs are missing"
            f" (database {head.epoch}, anchor {anchored.epoch})"
        )
    if missing < 0:
        raise InvalidHead(
            f"the token's anchor is older than the database by {-missing} epochs"
            f" (database {head.epoch}, anchor {anchored.epoch})"
        )
    raise InvalidHead(f"the database and the anchor hold different commits {head.epoch}")


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
