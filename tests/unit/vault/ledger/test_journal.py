"""The journal alone: no loop, no anchor, a store that loses answers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, make_store
from records import KEY, active

from strongroom_vault.errors import RollbackDetected, StoreUnavailable
from strongroom_vault.ledger.draft import Change
from strongroom_vault.ledger.head import Anchored, InvalidHead, open_head
from strongroom_vault.ledger.journal import CHANGED_RECORD, Journal, LedgerKeys
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Decision
from strongroom_vault.records.record import Deleted, Record
from strongroom_vault.store.interface import StoreError, bucket_of
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom_vault.store.interface import Commit, Snapshot

ID = b"\x12\x34" + b"i" * 30


class LossyStore(SqliteStore):
    """A store whose answers can be lost: the commit is there, or it is not, and nobody says."""

    loses = ""
    is_silent = False

    def commit(self, commit: Commit) -> None:
        if self.loses != "the commit":
            super().commit(commit)
        if self.loses:
            raise StoreError(f"lost: {self.loses}")

    def load(self) -> Snapshot:
        if self.is_silent:
            raise StoreError("no answer")
        return super().load()


@pytest.fixture
def anchored(tmp_path: Path) -> Anchored | None:
    return make_store(tmp_path / "vault.db").value


@pytest.fixture
def store(tmp_path: Path, anchored: Anchored) -> Iterator[LossyStore]:
    assert anchored is not None
    with closing(LossyStore(tmp_path / "vault.db", VAULT_ID)) as opened:
        yield opened


@pytest.fixture
def journal(store: LossyStore, anchored: Anchored) -> Journal:
    opened = Journal(store, KEYS, VAULT_ID, clock=lambda: 77)
    assert opened.open(anchored) == anchored
    return opened


def charge(record: Record) -> Decision[int]:
    charged = active(record.charged + 1, generation=record.generation)
    return Decision(charged, charged.charged, EventKind.ATTEMPT)


def keep(record: Record) -> Decision[int]:
    return Decision(record, record.charged)


CHARGE, LOOK = Change(ID, charge), Change(ID, keep)


def test_a_commit_moves_the_head_once(journal: Journal, store: LossyStore) -> None:
    before = journal.newest
    assert journal.commit([CHARGE, CHARGE, LOOK]) == [1, 2, 2]
    head = open_head(store.load().head, KEYS.head, VAULT_ID)
    assert (head.epoch, head.previous, head.time) == (1, before.digest, 77)
    assert journal.newest == head.anchored
    assert (journal.epoch, journal.statistics.commits, journal.statistics.changes) == (1, 1, 1)
    assert journal.statistics.events == {EventKind.ATTEMPT: 2}
    assert journal.read_bucket(bucket_of(ID))[ID].charged == 2
    assert journal.occupied_buckets() == [bucket_of(ID)]


def test_what_changes_nothing_is_no_commit(journal: Journal) -> None:
    before = journal.newest
    assert journal.commit([LOOK]) == [0]
    assert (journal.newest, journal.statistics.commits) == (before, 0)


def test_a_commit_whose_answer_is_lost_counts(journal: Journal, store: LossyStore) -> None:
    store.loses = "the answer"
    assert journal.commit([CHARGE]) == [1]
    assert not journal.is_unsettled
    store.loses = ""
    assert journal.commit([CHARGE]) == [2]


def test_a_commit_that_is_lost_does_not(journal: Journal, store: LossyStore) -> None:
    store.loses = "the commit"
    with pytest.raises(StoreUnavailable):
        journal.commit([CHARGE])
    assert (journal.is_unsettled, journal.statistics.store_errors) == (False, 1)
    store.loses = ""
    journal.check_store()
    assert journal.commit([LOOK]) == [0]


@pytest.mark.parametrize(("loses", "charged"), [("the answer", 1), ("the commit", 0)])
def test_nothing_is_read_or_written_until_it_is_known(
    journal: Journal, store: LossyStore, loses: str, charged: int
) -> None:
    store.loses, store.is_silent = loses, True
    with pytest.raises(StoreUnavailable):
        journal.commit([CHARGE])
    assert journal.is_unsettled
    with pytest.raises(StoreUnavailable):
        journal.settle()
    with pytest.raises(StoreError, match="not known yet"):
        journal.read_bucket(bucket_of(ID))
    store.loses, store.is_silent = "", False
    journal.settle()
    assert not journal.is_unsettled
    assert journal.commit([LOOK]) == [charged]
    journal.settle()  # nothing is left to find out


def test_keys_are_dropped_when_their_commit_is_there(journal: Journal, store: LossyStore) -> None:
    gone = Change(ID, lambda record: Decision(Record(1, 0, 2, Deleted(5)), record.charged))
    journal.commit([CHARGE])
    store.loses = "the commit"
    with pytest.raises(StoreUnavailable):
        journal.commit([gone])
    assert journal.take_dropped_keys() == []
    store.loses = ""
    journal.commit([gone])
    assert journal.take_dropped_keys() == [KEY.oprf_key]
    assert journal.take_dropped_keys() == []


def test_a_forged_row_stops_it(journal: Journal, store: LossyStore) -> None:
    store._db.execute("INSERT INTO record VALUES (?, ?, ?)", (bucket_of(ID), ID, bytes(512)))
    with pytest.raises(RollbackDetected, match=CHANGED_RECORD):
        journal.commit([CHARGE])
    assert journal.stopped == CHANGED_RECORD
    for refused in (
        lambda: journal.commit([LOOK]),
        lambda: journal.read_bucket(0),
        journal.occupied_buckets,
    ):
        with pytest.raises(RollbackDetected):
            refused()


def test_an_older_database_is_not_opened(store: LossyStore, anchored: Anchored) -> None:
    journal = Journal(store, KEYS, VAULT_ID, clock=lambda: 0)
    with pytest.raises(InvalidHead, match="1 commit is missing"):
        journal.open(Anchored(anchored.epoch + 1, b"x" * 32))
    with pytest.raises(InvalidHead, match="not made by this vault"):
        Journal(store, LedgerKeys(b"s" * 32, b"x" * 32), VAULT_ID, lambda: 0).open(anchored)
