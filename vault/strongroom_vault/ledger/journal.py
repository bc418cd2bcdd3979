"""The journal: decides changes of records and commits them to the store. One thread, no asyncio.

It owns the Merkle tree and the newest head, and verifies every read against the tree. Whatever does
not fit stops the journal permanently: it then refuses everything and changes nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import RollbackDetected, StoreUnavailable
from strongroom_vault.ledger import audit
from strongroom_vault.ledger.anchor import check_newest
from strongroom_vault.ledger.draft import Draft
from strongroom_vault.ledger.head import Head, open_head, seal_head
from strongroom_vault.ledger.verified_store import VerifiedStore, tree_of
from strongroom_vault.records.sealing import InvalidSeal, RowSealer
from strongroom_vault.store.interface import (
    Commit,
    Row,
    Store,
    StoreChanged,
    StoreError,
    bucket_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom_vault.ledger.draft import Change
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.ledger.merkle import Tree, Update
    from strongroom_vault.records.events import EventKind
    from strongroom_vault.records.record import Record, StoredOprfKey

RETRY_AFTER_STORE_ERROR: Final = 5.0
"""Seconds that a client is asked to wait when the store did not commit."""

CHANGED_RECORD: Final = "a record in the database was not written by this vault"


@dataclass(frozen=True, slots=True)
class LedgerKeys:
    """The two derived keys of a ledger, 32 bytes each."""

    record_sealing: bytes
    head: bytes


@dataclass(slots=True)
class Statistics:
    """Counts since start. The journal's thread writes them; any other may read."""

    commits: int = 0
    changes: int = 0
    store_errors: int = 0
    commit_s: float = 0.0
    events: Counter[EventKind] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """A commit that was handed to the store, until it is known what became of it."""

    head: Head
    update: Update
    draft: Draft
    commit: Commit


class Journal:
    """The records of one store. Its methods block, and are called by one thread at a time."""

    def __init__(
        self, store: Store, keys: LedgerKeys, vault_id: str, clock: Callable[[], int]
    ) -> None:
        """Make a journal; `open` comes first. `clock` is in ms, for events and heads."""
        self._store = store
        self._head_key = keys.head
        self._sealer = RowSealer(keys.record_sealing)
        self._vault_id = vault_id
        self._clock = clock
        self._rows: VerifiedStore
        self._head: Head
        self._unsettled: _Unsettled | None = None
        self._dropped_keys: list[StoredOprfKey] = []
        self._takes_writes = True
        self.epoch = 0
        """The number of the newest commit; 0 while there is no head to believe."""
        self.stopped: str | None = None
        """Why the journal has stopped; None while it has not."""
        self.statistics = Statistics()

    @property
    def newest(self) -> Anchored:
        """What the anchor must remember of the newest commit."""
        return self._head.anchored

    @property
    def is_unsettled(self) -> bool:
        """Whether nobody knows yet if the last commit is in the store."""
        return self._unsettled is not None

    def open(self, anchored: Anchored | None) -> Anchored:
        """Check that the store holds the newest commit; return what the anchor holds.

        Raises:
            InvalidHead: store and anchor do not fit together; the message says how.
            StoreError: the store cannot be read.
        """
        snapshot = self._store.load()
        # 1. The head is this vault's and unchanged. All that follows is compared with it.
        self._head = open_head(snapshot.head, self._head_key, self._vault_id)
        self.epoch = self._head.epoch
        # 2. The bucket hashes have the head's root. From now on each bucket can be verified alone.
        self._rows = VerifiedStore(self._store, self._sealer, tree_of(self._head, snapshot))
        # 3. The head is the anchor's, or one commit ahead that nobody was told of. Without this an
        #    older database, whole in itself, would be served with its attempts unused.
        return check_newest(self._head, anchored)

    def stop(self, reason: str) -> RollbackDetected:
        """Stop permanently; return the error for every caller."""
        # Nothing resets it: only an operator can tell which copy of the database to believe.
        self.stopped = reason
        return RollbackDetected(reason)

    def refuse_if_stopped(self) -> None:
        """Raise RollbackDetected if the journal was stopped."""
        if self.stopped is not None:
            raise RollbackDetected(self.stopped)

    def commit(self, changes: Sequence[Change]) -> list[object]:
        """Decide changes in order and commit them; return the outcomes.

        Raises:
            RollbackDetected: the database is not as this vault left it.
            StoreUnavailable: nothing of the batch is in the store, or nobody knows.
        """
        self.refuse_if_stopped()
        began = time.perf_counter()
        try:
            # 1. Read and verify every bucket first: nothing is decided on a record that may be
            #    forged.
            numbers = {bucket_of(one.record_id) for one in changes if one.record_id is not None}
            buckets = self._rows.buckets(numbers)
            draft = Draft(buckets, self._sealer, self._head.loss_epoch, self._clock())
            # 2. Decide each change on what the one before it left. On the record as it was read,
            #    two attempts in one commit would be charged once.
            outcomes = [draft.decide(change) for change in changes]
            # 3. Seal what changed. If nothing did, there is no commit and the anchor stays.
            rows = draft.rows()
            if rows or draft.events:
                self._write(rows, draft)
        except StoreChanged as error:
            raise self.stop(str(error)) from error
        except StoreError as error:
            self.statistics.store_errors += 1
            # A full disk can be read, but nothing charged: `check_store` wants a write from now on.
            self._takes_writes = False
            raise StoreUnavailable(str(error), RETRY_AFTER_STORE_ERROR) from error
        except InvalidSeal as error:
            raise self.stop(CHANGED_RECORD) from error
        self.statistics.changes += len(rows)
        self.statistics.commit_s += time.perf_counter() - began
        return outcomes

    def settle(self) -> None:
        """Find out what became of a commit whose callers were told that the store is unavailable.

        Raises:
            RollbackDetected: the database is not as this vault left it.
            StoreUnavailable: the store does not say.
        """
        try:
            if self._unsettled is not None:
                self._settle(self._unsettled)
        except StoreChanged as error:
            raise self.stop(str(error)) from error
        except StoreError as error:
            raise StoreUnavailable(str(error), RETRY_AFTER_STORE_ERROR) from error

    def take_dropped_keys(self) -> list[StoredOprfKey]:
        """Return the OPRF keys that commits since the last call took out of their records."""
        dropped, self._dropped_keys = self._dropped_keys, []
        return dropped

    def occupied_buckets(self) -> list[int]:
        """Return the numbers of buckets with any record; never blocks. Raises RollbackDetected."""
        self.refuse_if_stopped()
        return self._rows.tree.occupied()

    def read_bucket(self, bucket: int) -> dict[bytes, Record]:
        """Return the verified records of a bucket by id.

        Raises:
            RollbackDetected: the database is not as this vault left it.
            StoreError: the store cannot be read, or nobody knows what became of the last commit.
        """
        # An error, never fewer records: a rotation destroys the wrap key of those that it is not
        # shown, and `reconcile` their resident keys.
        self.refuse_if_stopped()
        # Buckets of an unsettled commit do not fit the tree: they would look forged.
        if self._unsettled is not None:
            raise StoreError("it is not known yet whether the last commit is in the store")
        try:
            return self._rows.records(bucket)
        except StoreChanged as error:
            raise self.stop(str(error)) from error
        except InvalidSeal as error:
            raise self.stop(CHANGED_RECORD) from error

    def check_store(self) -> None:
        """Raise StoreError unless the store answers; after a refused commit it must take a write.

        Raises:
            RollbackDetected: the database is not as this vault left it.
        """
        try:
            self._store.check(writes=not self._takes_writes)
        except StoreChanged as error:
            raise self.stop(str(error)) from error
        self._takes_writes = True

    def _write(self, rows: list[Row], draft: Draft) -> None:
        """Commit rows and events.

        Raises:
            StoreError: they are not in the store; or it does not say, and `settle` must find out.
        """
        # 4. Make all of the commit before the store is touched. The tree in memory stays as it was
        #    until the commit is known to be there.
        made = _make_commit(self._head, self._rows.tree, draft, rows, self._head_key)
        # 5. Remember it, then hand it to the store. The other way round, an error would leave no
        #    trace of a commit that may be durable, and the next one would fork the chain.
        self._unsettled = made
        try:
            self._store.commit(made.commit)
        except StoreError:
            # An error does not say that nothing was written: the answer may have been lost.
            if not self._settle(made):
                raise
        else:
            # 6. Adopt head and tree only now: before, a refused commit would leave a tree that fits
            #    no bucket in the store.
            self._takes_writes = True
            self._adopt(made)

    def _settle(self, unsettled: _Unsettled) -> bool:
        """Adopt a commit if the store has it; return whether it has.

        Raises:
            StoreError: the store does not say.
        """
        # The head is enough: it is written in the same transaction as rows, buckets and events.
        if self._store.load().head == unsettled.commit.head:
            self._adopt(unsettled)
            return True
        # Only after `load` has answered: while the store is silent, the question stays open.
        self._unsettled = None
        return False

    def _adopt(self, settled: _Unsettled) -> None:
        """Go on from a commit that is durable."""
        self._rows.tree.apply(settled.update)
        self._head = settled.head
        self.epoch = settled.head.epoch
        self._dropped_keys += settled.draft.dropped_keys
        self.statistics.events += settled.draft.event_counts
        self.statistics.commits += 1
        self._unsettled = None


def _make_commit(
    head: Head, tree: Tree, draft: Draft, rows: list[Row], head_key: bytes
) -> _Unsettled:
    """Return the commit after `head` that writes a draft, and what to adopt once it is durable."""
    buckets = draft.put(rows)
    update = tree.plan(buckets)
    after = head.next(
        root=update.root, audit=audit.extend(head.audit, draft.events), time=draft.now
    )
    commit = Commit(rows, buckets, draft.events, seal_head(after, head_key))
    return _Unsettled(after, update, draft, commit)
