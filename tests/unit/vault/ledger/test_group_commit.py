"""The ledger: one writer, group commit, nobody goes on before the commit, faults refuse."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import KEY, NOW, active

from strongroom_vault.errors import HsmUnavailable, NoKey, RollbackDetected, StoreUnavailable
from strongroom_vault.ledger.anchor import Unanchored
from strongroom_vault.ledger.group_commit import MAX_BATCH, Ledger
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.records.policy import Decision
from strongroom_vault.records.record import Deleted, Record
from strongroom_vault.store import sqlite
from strongroom_vault.store.interface import StoreError, bucket_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator, Mapping
    from pathlib import Path

    from strongroom_vault.store.interface import Commit, Row, Snapshot

ID = b"\x12\x34" + b"i" * 30
NEIGHBOUR = b"\x12\x34" + b"j" * 30
ELSEWHERE = b"\xff\xff" + b"i" * 30


class WatchedStore(sqlite.SqliteStore):
    """The real store; tests see its commits, hold them up, or make them fail."""

    def __init__(self, path: Path, vault_id: str) -> None:
        super().__init__(path, vault_id)
        self.commits: list[list[Row]] = []
        self.may_commit = threading.Event()
        self.may_commit.set()
        self.fails = False
        self.is_silent = False
        """Whether commits are written, but nobody learns of it."""

    def load(self) -> Snapshot:
        if self.is_silent:
            raise StoreError("no answer")
        return super().load()

    def read_buckets(self, buckets: Collection[int]) -> Mapping[int, Mapping[bytes, bytes]]:
        if self.fails:
            raise StoreError("the disk is gone")
        return super().read_buckets(buckets)

    def commit(self, commit: Commit) -> None:
        assert self.may_commit.wait(10)
        super().commit(commit)
        self.commits.append(list(commit.rows))
        if self.is_silent:
            raise StoreError("no answer")

    def damage(self, record_id: bytes, sealed: bytes) -> None:
        """What the owner of the database might do to a row."""
        self._db.execute(
            "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
            (bucket_of(record_id), record_id, sealed),
        )


@pytest.fixture
def anchor(tmp_path: Path) -> MemoryAnchor:
    return make_store(tmp_path / "vault.db")


@pytest.fixture
def store(tmp_path: Path, anchor: MemoryAnchor) -> Iterator[WatchedStore]:
    opened = WatchedStore(tmp_path / "vault.db", VAULT_ID)
    yield opened
    opened.close()


@pytest.fixture
async def ledger(store: WatchedStore, anchor: MemoryAnchor) -> AsyncIterator[Ledger]:
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    await ledger.start()
    assert ledger.rollback is None
    yield ledger
    await ledger.close()


def read(record: Record) -> Decision[Record]:
    return Decision(record, record)


def charge(record: Record) -> Decision[int]:
    """Count one more attempt on an active record."""
    charged = active(record.charged + 1, generation=record.generation)
    return Decision(charged, charged.charged)


def fail_the_store(store: WatchedStore, *, fails: bool) -> None:
    store.fails = fails


async def test_nothing_is_an_absent_record(ledger: Ledger, store: WatchedStore) -> None:
    assert await ledger.change(ID, read) == Record()
    assert store.commits == []


async def test_a_change_is_durable_and_sealed(ledger: Ledger, store: WatchedStore) -> None:
    assert await ledger.change(ID, charge) == 1
    assert await ledger.change(ID, read) == active(1, generation=0)
    (row,) = store.commits[0]
    assert row.id == ID
    assert len(row.sealed) % 512 == 0
    assert KEY.registration_record not in row.sealed
    assert (ledger.statistics.commits, ledger.statistics.changes) == (1, 1)


async def test_changes_of_one_record_in_one_commit_are_decided_in_order(
    ledger: Ledger, store: WatchedStore
) -> None:
    changes = [ledger.change(ID, charge) for _ in range(50)]
    assert await asyncio.gather(*changes) == list(range(1, 51))
    assert len(store.commits) == 1
    assert len(store.commits[0]) == 1


async def test_requests_share_the_next_commit(ledger: Ledger, store: WatchedStore) -> None:
    store.may_commit.clear()
    first = asyncio.create_task(ledger.change(ID, charge))
    await asyncio.sleep(0.05)
    others = [
        asyncio.create_task(ledger.change(bytes([number]) * 32, charge)) for number in range(100)
    ]
    await asyncio.sleep(0.05)
    assert not first.done()
    assert not any(other.done() for other in others)
    store.may_commit.set()
    await asyncio.gather(first, *others)
    assert [len(rows) for rows in store.commits] == [1, 100]


async def test_nobody_goes_on_before_the_commit(ledger: Ledger, store: WatchedStore) -> None:
    store.may_commit.clear()
    charging = asyncio.create_task(ledger.change(ID, charge))
    reading = asyncio.create_task(ledger.change(ID, read))
    await asyncio.sleep(0.1)
    assert not charging.done()
    assert not reading.done()  # it saw a record that is not durable yet
    store.may_commit.set()
    assert await charging == 1
    assert (await reading).charged == 1


async def test_a_batch_has_an_end(ledger: Ledger, store: WatchedStore) -> None:
    changes = [ledger.change(number.to_bytes(32, "big"), charge) for number in range(MAX_BATCH + 9)]
    await asyncio.gather(*changes)
    assert [len(rows) for rows in store.commits] == [MAX_BATCH, 9]


async def test_a_refusal_is_raised_after_its_change_is_durable(
    ledger: Ledger, store: WatchedStore
) -> None:
    deleted = Record(1, 0, 1, Deleted(NOW))
    with pytest.raises(NoKey):
        await ledger.change(ID, lambda _: Decision(deleted, NoKey("gone")))
    assert await ledger.change(ID, read) == deleted
    assert len(store.commits) == 1


async def test_a_failed_commit_changes_nothing_and_refuses_everyone_in_it(
    ledger: Ledger, store: WatchedStore
) -> None:
    assert await ledger.change(ID, charge) == 1
    fail_the_store(store, fails=True)
    results = await asyncio.gather(
        ledger.change(ID, charge), ledger.change(ELSEWHERE, charge), return_exceptions=True
    )
    assert [type(result) for result in results] == [StoreUnavailable] * 2
    with pytest.raises(StoreError):
        await ledger.check()
    fail_the_store(store, fails=False)
    await ledger.check()
    assert await ledger.change(ID, read) == active(1, generation=0)
    assert await ledger.change(ELSEWHERE, read) == Record()


async def test_a_bug_in_a_decision_refuses_its_batch_and_the_writer_lives_on(
    ledger: Ledger,
) -> None:
    def bug(_record: Record) -> Decision[None]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ledger.change(ID, bug)
    assert await ledger.change(ID, charge) == 1


async def test_a_caller_that_goes_away_leaves_its_change_behind(
    ledger: Ledger, store: WatchedStore
) -> None:
    store.may_commit.clear()
    leaving = asyncio.create_task(ledger.change(ID, charge))
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    store.may_commit.set()
    assert (await ledger.change(ID, read)).charged == 1


@pytest.mark.parametrize("damage", ["changed", "swapped", "cut", "added"])
async def test_a_row_that_is_not_what_the_vault_wrote_stops_it_for_good(
    ledger: Ledger, store: WatchedStore, damage: str
) -> None:
    await asyncio.gather(*(ledger.change(name, charge) for name in (ID, NEIGHBOUR, ELSEWHERE)))
    rows = store.read_buckets((0x1234,))[0x1234]
    broken = {
        "changed": rows[ID][:-1] + bytes([rows[ID][-1] ^ 1]),
        "swapped": rows[NEIGHBOUR],
        "cut": rows[ID][:-512],
        "added": rows[ID],
    }[damage]
    store.damage(b"\x12\x34" + b"z" * 30 if damage == "added" else ID, broken)
    before = store.read_buckets((0x1234,))[0x1234]
    assert await ledger.change(ELSEWHERE, charge) == 2
    for name in (NEIGHBOUR, ID, ELSEWHERE):
        for decide in (read, charge):
            with pytest.raises(RollbackDetected):
                await ledger.change(name, decide)
    assert ledger.rollback is not None
    assert store.read_buckets((0x1234,))[0x1234] == before


async def test_an_anchor_that_fails_leaves_nothing_answered_and_is_caught_up(
    ledger: Ledger, store: WatchedStore, anchor: MemoryAnchor
) -> None:
    anchor.fails = True
    with pytest.raises(Unanchored) as unanchored:
        await ledger.change(ID, charge)
    assert unanchored.value.outcome == 1
    with pytest.raises(HsmUnavailable):
        await ledger.change(ID, read)  # not anchored yet: nobody may learn of it
    assert len(store.commits) == 1
    anchor.fails = False
    assert (await ledger.change(ID, read)).charged == 1
    assert anchor.advances == 1


async def test_two_commits_are_never_ahead_of_the_anchor(
    ledger: Ledger, store: WatchedStore, anchor: MemoryAnchor
) -> None:
    """The first is in the store, unknown to the ledger; a restart would refuse the database."""
    store.is_silent = True
    with pytest.raises(StoreUnavailable):
        await ledger.change(ID, charge)
    store.is_silent = False
    anchor.fails = True
    with pytest.raises(HsmUnavailable):
        await ledger.change(ID, charge)
    await ledger.close()
    anchor.fails = False
    restarted = Ledger(store, anchor, KEYS, VAULT_ID)
    await restarted.start()
    assert restarted.rollback is None
    assert (await restarted.change(ID, read)).charged == 1
    await restarted.close()


class SlowAnchor(MemoryAnchor):
    """Moves at once, and answers once `may_answer` is set; counts simultaneous moves."""

    def __init__(self, value: Anchored | None) -> None:
        super().__init__(value)
        self.under_way = 0
        self.most = 0
        self.moving = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        await super().advance(expected, new)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.moving.set()
        await self.may_answer.wait()
        self.under_way -= 1


async def test_health_does_not_move_the_anchor_beside_a_commit(
    store: WatchedStore, anchor: MemoryAnchor
) -> None:
    slow = SlowAnchor(anchor.value)
    ledger = Ledger(store, slow, KEYS, VAULT_ID)
    await ledger.start()
    slow.fails = True
    with pytest.raises(Unanchored):
        await ledger.change(ID, charge)
    slow.fails = False
    checking = asyncio.create_task(ledger.check())
    await slow.moving.wait()
    changing = asyncio.create_task(ledger.change(ID, charge))
    for _ in range(20):  # turns of the loop: more than the writer needs to move the anchor
        await asyncio.sleep(0)
    slow.may_answer.set()
    await asyncio.gather(checking, changing)
    assert await ledger.change(ID, charge) == 3
    assert (slow.most, ledger.rollback) == (1, None)
    await ledger.close()


async def test_an_anchor_that_somebody_else_moved_stops_the_vault(
    ledger: Ledger, anchor: MemoryAnchor
) -> None:
    await ledger.change(ID, charge)
    anchor.value = Anchored(99, b"x" * 32)
    for _ in range(2):
        with pytest.raises(RollbackDetected):
            await ledger.change(ID, charge)
    assert anchor.value == Anchored(99, b"x" * 32)


async def test_each_commit_is_one_epoch_and_reads_are_none(
    ledger: Ledger, anchor: MemoryAnchor
) -> None:
    epochs = []
    for decide in (charge, read, charge, read):
        await ledger.change(ID, decide)
        assert anchor.value is not None
        epochs.append(anchor.value.epoch)
    assert epochs == [1, 1, 2, 2]


async def test_a_stopped_ledger_shows_nothing_rather_than_too_little(
    ledger: Ledger, store: WatchedStore
) -> None:
    """Who looks through all records to destroy what none of them needs must not see fewer."""
    await asyncio.gather(*(ledger.change(name, charge) for name in (ID, ELSEWHERE)))
    store.damage(ID, b"broken" * 100)
    assert len(await ledger.read_bucket(bucket_of(ELSEWHERE))) == 1
    with pytest.raises(RollbackDetected):
        await ledger.read_bucket(0x1234)
    with pytest.raises(RollbackDetected):
        await ledger.read_bucket(bucket_of(ELSEWHERE))
    with pytest.raises(RollbackDetected):
        ledger.occupied_buckets()


async def test_closing_finishes_what_was_accepted(
    store: WatchedStore, anchor: MemoryAnchor
) -> None:
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    await ledger.start()
    store.may_commit.clear()
    changes = [asyncio.create_task(ledger.change(ID, charge)) for _ in range(5)]
    await asyncio.sleep(0.05)
    closing = asyncio.create_task(ledger.close())
    await asyncio.sleep(0.05)
    assert not closing.done()
    store.may_commit.set()
    await closing
    assert [change.result() for change in changes] == [1, 2, 3, 4, 5]
    with pytest.raises(RuntimeError):
        await ledger.change(ID, read)


async def test_a_ledger_that_was_never_started(store: WatchedStore, anchor: MemoryAnchor) -> None:
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    with pytest.raises(RuntimeError):
        await ledger.change(ID, read)
    await ledger.close()
