"""The ledger: changes of records, durable and anchored before anybody acts on them. One event loop.

Requests that arrive while a commit is under way share the next one. A caller of `change` goes on
only when its decision is committed and anchored, so whatever it does next (evaluate, answer) has
been charged durably. The journal does the work in a thread of its own; this module touches it by
`open`, `settle` and `commit`, and by reads.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.ledger.anchor import AnchorMoved, AnchorTracker, Unanchored
from strongroom_vault.ledger.draft import Change
from strongroom_vault.ledger.head import InvalidHead
from strongroom_vault.ledger.journal import Journal, LedgerKeys, Statistics
from strongroom_vault.platform import traces
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.records import policy
from strongroom_vault.store.interface import StoreChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strongroom_vault.ledger.anchor import Anchor
    from strongroom_vault.records.events import EventKind
    from strongroom_vault.records.policy import Decision
    from strongroom_vault.records.record import Record, StoredOprfKey
    from strongroom_vault.store.interface import Store

MAX_BATCH: Final = 256
"""The most changes that share a commit."""

Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Outcome]):
    """A change, and where its caller waits for the outcome."""

    change: Change
    outcome: asyncio.Future[Outcome]


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

        `on_keys_dropped` gets the OPRF keys that no record has any more, once that is anchored.
        """
        self._journal = Journal(store, keys, vault_id, now_ms)
        self._anchor = AnchorTracker(anchor)
        self._on_keys_dropped = on_keys_dropped
        self._queue: deque[_Waiting[Any]] = deque()
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")

    async def start(self) -> None:
        """Check that the database is the newest one, and start the writer.

        A database that is not sets `rollback`, which says why; then every change is refused.

        Raises:
            HsmUnavailable, StoreError: the check could not be made.
        """
        anchored = await self._anchor.read()
        try:
            self._anchor.held = await self._in_thread(self._journal.open, anchored)
            # After a crash between commit and anchor, the anchor is one commit behind. Nobody was
            # told of that commit, so it may count.
            await self._anchor.reach(self._journal.newest)
        except (InvalidHead, AnchorMoved, StoreChanged) as error:
            # Not raised: the vault comes up and answers ROLLBACK_DETECTED to every call, so that
            # clients and operators learn why. An exit would look like any outage.
            self._journal.stop(str(error))
        self._writer = asyncio.create_task(self._write(), name="ledger writer")

    async def close(self) -> None:
        """Finish every change that was accepted. The store is its opener's to close."""
        if self._writer is not None:
            # None first: `_enqueue` then refuses, and the writer ends when the queue is empty.
            writer, self._writer = self._writer, None
            self._wake.set()
            await writer
        # After the writer, which needs the thread for what is still queued.
        self._thread.shutdown()

    @property
    def waiting(self) -> int:
        """How many changes wait for a commit."""
        return len(self._queue)

    @property
    def rollback(self) -> str | None:
        """Why the ledger has stopped; None while it has not."""
        return self._journal.stopped

    @property
    def epoch(self) -> int:
        """The number of the newest commit; 0 while there is no head to believe."""
        return self._journal.epoch

    @property
    def anchor_s(self) -> float:
        """How many seconds all moves of the anchor took."""
        return self._anchor.seconds

    @property
    def statistics(self) -> Statistics:
        """Counts since start, to read."""
        return self._journal.statistics

    async def change(
        self, record_id: bytes, decide: Callable[[Record], Decision[Outcome]]
    ) -> Outcome:
        """Apply `decide` to a record; return the outcome once the new record is durable.

        `decide` is pure and runs in the journal's thread. A decision that leaves the record as it
        was writes nothing, but waits until what it was decided on is durable.

        Raises:
            Refusal: the outcome was one; or StoreUnavailable, and nothing changed; or
                RollbackDetected, and this vault did not write the row.
            RuntimeError: the ledger is closed or was never started.
        """
        outcome: Outcome = await self._enqueue(Change(record_id, decide))
        return outcome

    async def note(self, kind: EventKind, **detail: int) -> None:
        """Write an operator's act into the audit log; return once that is durable."""
        await self._enqueue(
            Change(None, lambda record: policy.Decision(record, None, kind), detail)
        )

    def occupied_buckets(self) -> list[int]:
        """Return the numbers of the buckets that hold any record. Raises RollbackDetected."""
        return self._journal.occupied_buckets()

    async def read_bucket(self, bucket: int) -> Mapping[bytes, Record]:
        """Return the records of a bucket by id, as of the newest commit.

        Raises:
            StoreError: the store does not answer.
            RollbackDetected: the database is not what this vault wrote.
        """
        return await self._in_thread(self._journal.read_bucket, bucket)

    async def check(self) -> None:
        """Raise StoreError unless the store answers; let the anchor catch up, if it has to.

        A store that refused the last commit must take a write again before it is believed.

        Raises:
            StoreUnavailable, HsmUnavailable, RollbackDetected: it cannot.
        """
        if not self._anchor.is_reached:
            # An empty change makes the writer move the anchor. Moved from here, beside a commit,
            # `held` could end up behind the anchor, and the next move would stop the vault.
            await self._enqueue(Change(None, lambda record: policy.Decision(record, None)))
        await self._in_thread(self._journal.check_store)

    async def _enqueue(self, change: Change) -> Any:  # noqa: ANN401 -- what `decide` returns
        if self._writer is None or self._writer.done():
            raise RuntimeError("the ledger has no writer")
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(change, outcome))
        self._wake.set()
        with traces.span("commit"):
            return await outcome

    async def _write(self) -> None:
        """Commit batch after batch, until closed and empty."""
        while self._writer is not None or self._queue:
            if not self._queue:
                self._wake.clear()  # with no await since the look at the queue: no wake is lost
                await self._wake.wait()
                continue
            batch = [self._queue.popleft() for _ in range(min(MAX_BATCH, len(self._queue)))]
            # One commit at a time, each decided on the records, tree and head that the one before
            # it left. Two at once on one head would fork the chain of heads.
            committed = asyncio.ensure_future(self._commit([one.change for one in batch]))
            # `wait` does not raise: an error is the answer of this batch, and the writer lives on.
            await asyncio.wait([committed])
            _answer(batch, committed)

    async def _commit(self, changes: Sequence[Change]) -> list[Any]:
        """Commit changes and anchor them; return the outcomes, which their callers may act on.

        Raises:
            RollbackDetected: the database or the anchor is not as this vault left it.
            StoreUnavailable: nothing of the batch is there, or nobody knows.
            HsmUnavailable: an earlier commit cannot be anchored, so nothing was done.
        """
        journal = self._journal
        journal.refuse_if_stopped()
        # 1. Settle a commit of which nobody knows whether the store has it. If it is there, a
        #    commit on the old head would fork the chain; and it counts in step 2.
        if journal.is_unsettled:
            await self._in_thread(journal.settle)
        # 2. Anchor what an earlier failure left behind. A database two commits ahead of the anchor
        #    would be refused at the next start.
        await self._anchor_newest()
        # 3. Decide and commit. The charge is durable now, but an older copy of the database would
        #    still be believed.
        outcomes = await self._in_thread(journal.commit, changes)
        # 4. Anchor it. From here on no older copy is believed. If callers went on before this, a
        #    restored copy would give them the same attempts again.
        try:
            await self._anchor_newest()
        except HsmUnavailable as error:
            # The commit cannot be taken back, but nobody has acted on it. The callers get their
            # outcome with the error, because an attempt must know which charge to give back.
            return [Unanchored(error, outcome) for outcome in outcomes]
        return outcomes

    async def _anchor_newest(self) -> None:
        """Move the anchor, then report the keys that no anchored record has any more.

        Raises:
            RollbackDetected: the anchor was moved by another vault.
            HsmUnavailable: the anchor does not answer.
        """
        try:
            await self._anchor.reach(self._journal.newest)
        except AnchorMoved as error:
            raise self._journal.stop(str(error)) from error
        # Reported, and then destroyed, only once anchored: until then a copy of the database from
        # before this commit is still believed, and a record in it would have lost its key.
        if dropped_keys := self._journal.take_dropped_keys():
            self._on_keys_dropped(dropped_keys)

    async def _in_thread(self, function: Callable[..., Result], *arguments: object) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)


def _answer(batch: Sequence[_Waiting[Any]], committed: asyncio.Future[list[Any]]) -> None:
    """Wake every caller of the batch."""
    error = committed.exception()
    outcomes = [error] * len(batch) if error is not None else committed.result()
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.outcome.done():
            continue  # the caller has left; its change is committed all the same
        if isinstance(outcome, BaseException):
            waiting.outcome.set_exception(outcome)
        else:
            waiting.outcome.set_result(outcome)
