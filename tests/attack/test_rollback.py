"""Whoever owns the database restores, swaps and edits it: noticed before it is used.

Covered, in 1,200 generated cases: the whole file of any earlier commit; the main file without its
write-ahead log; single rows, bucket hashes or the head of an earlier commit; rows swapped, deleted,
added, emptied; whole buckets exchanged; an anchor that is behind.
Not covered: a database and a token restored together, which nothing on one host can notice.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import active

from strongroom_vault.errors import RollbackDetected
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records.policy import Decision
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.records.record import Record

COMMITS = 24
CASES = 1200
IDS = [bytes([bucket, 0]) + bytes([number]) * 30 for bucket in range(4) for number in range(3)]


@dataclass(frozen=True, slots=True)
class History:
    """A folder with the database after each commit, and what the anchor held then."""

    folder: Path
    anchored: list[Anchored]

    def database(self, epoch: int) -> Path:
        return self.folder / f"{epoch}.db"


def charge(record: Record) -> Decision[int]:
    charged = active(record.charged + 1, generation=record.generation)
    return Decision(charged, charged.charged)


async def live(folder: Path) -> History:
    """Let a vault live through COMMITS commits; keep a copy of its database after each."""
    anchor = make_store(folder / "vault.db")
    assert anchor.value is not None
    anchored = [anchor.value]
    store = SqliteStore(folder / "vault.db", VAULT_ID)
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    await ledger.start()
    copy(store, folder / "0.db")
    choose = random.Random(1)
    for epoch in range(1, COMMITS + 1):
        names = choose.sample(IDS, 3) if epoch > len(IDS) else [IDS[epoch - 1]]
        await asyncio.gather(*(ledger.change(name, charge) for name in names))
        anchored.append(anchor.value)
        copy(store, folder / f"{epoch}.db")
    shutil.copy(folder / "vault.db", folder / "without-log.db")
    await ledger.close()
    store.close()
    return History(folder, anchored)


def copy(store: SqliteStore, target: Path) -> None:
    with sqlite3.connect(target) as database:
        store._db.backup(database)
    database.close()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return asyncio.run(live(tmp_path_factory.mktemp("history")))


def old_rows(choose: random.Random, history: History, database: sqlite3.Connection) -> None:
    """One table's row, as it was in an earlier commit where it differs."""
    table, key = choose.choice([("record", "id"), ("bucket", "number"), ("head", "one")])
    old = sqlite3.connect(history.database(choose.randrange(COMMITS)))
    rows = old.execute(f"SELECT * FROM {table} ORDER BY {key}").fetchall()  # noqa: S608
    old.close()
    new = set(database.execute(f"SELECT * FROM {table}"))  # noqa: S608
    differing = [row for row in rows if row not in new]
    if not differing:
        delete_row(choose, history, database)
        return
    row = choose.choice(differing)
    marks = ",".join("?" * len(row))
    database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)  # noqa: S608


def delete_row(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    table, key = choose.choice([("record", "id"), ("bucket", "number"), ("head", "one")])
    keys = [row[0] for row in database.execute(f"SELECT {key} FROM {table} ORDER BY 1")]  # noqa: S608
    database.execute(f"DELETE FROM {table} WHERE {key} = ?", (choose.choice(keys),))  # noqa: S608


def swap_rows(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    one, other = choose.sample(database.execute("SELECT id, sealed FROM record").fetchall(), 2)
    for name, sealed in ((one[0], other[1]), (other[0], one[1])):
        database.execute("UPDATE record SET sealed = ? WHERE id = ?", (sealed, name))


def add_row(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    bucket, name, sealed = choose.choice(database.execute("SELECT * FROM record").fetchall())
    new = name[:2] + choose.randbytes(30)
    database.execute("INSERT INTO record VALUES (?, ?, ?)", (bucket, new, sealed))


def move_boundary(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    """The end of an id becomes the beginning of its row: id and row joined are the same bytes."""
    name, sealed = choose.choice(database.execute("SELECT id, sealed FROM record").fetchall())
    by = choose.choice((-1, 1)) * choose.randrange(1, 30)
    joined = name + sealed
    database.execute(
        "UPDATE record SET id = ?, sealed = ? WHERE id = ?",
        (joined[: len(name) + by], joined[len(name) + by :], name),
    )


def foreign_bucket(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    """A hash for a bucket that there cannot be, or one that is none."""
    number = choose.choice((-1, 2**16, 2**17 + 5, 2**40))
    database.execute("INSERT INTO bucket VALUES (?, ?)", (number, choose.randbytes(32)))


def flip_bit(choose: random.Random, _history: History, database: sqlite3.Connection) -> None:
    table, key, value = choose.choice(
        [("record", "id", "sealed"), ("bucket", "number", "hash"), ("head", "one", "stored")]
    )
    rows = database.execute(f"SELECT {key}, {value} FROM {table}").fetchall()  # noqa: S608
    name, data = choose.choice(rows)
    changed = bytearray(data)
    changed[choose.randrange(len(changed))] ^= 1 << choose.randrange(8)
    database.execute(
        f"UPDATE {table} SET {value} = ? WHERE {key} = ?",  # noqa: S608
        (bytes(changed), name),
    )


def old_bucket_whole(choose: random.Random, history: History, database: sqlite3.Connection) -> None:
    """A bucket with all its rows and its hash, consistently from an earlier commit."""
    current = database.execute("SELECT * FROM record ORDER BY id").fetchall()
    for epoch in choose.sample(range(COMMITS), COMMITS):
        old = sqlite3.connect(history.database(epoch))
        for bucket in (0x0000, 0x0100, 0x0200, 0x0300):
            rows = old.execute("SELECT * FROM record WHERE bucket = ? ORDER BY id", (bucket,))
            earlier = rows.fetchall()
            hashes = old.execute("SELECT * FROM bucket WHERE number = ?", (bucket,)).fetchall()
            if hashes and earlier != [row for row in current if row[0] == bucket]:
                database.execute("DELETE FROM record WHERE bucket = ?", (bucket,))
                database.executemany("INSERT INTO record VALUES (?, ?, ?)", earlier)
                database.execute("INSERT OR REPLACE INTO bucket VALUES (?, ?)", hashes[0])
                old.close()
                return
        old.close()


DAMAGES = (
    old_rows,
    delete_row,
    swap_rows,
    add_row,
    move_boundary,
    foreign_bucket,
    flip_bit,
    old_bucket_whole,
)


async def is_noticed(database: Path, anchored: Anchored) -> str:
    """Start from a database and read everything; say when it was noticed."""
    store = SqliteStore(database, VAULT_ID)
    anchor = MemoryAnchor(anchored)
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    before = dump(store)
    await ledger.start()
    noticed = "at start" if ledger.rollback is not None else ""
    for name in IDS:
        try:
            await ledger.change(name, lambda record: Decision(record, record))
        except RollbackDetected:
            noticed = noticed or "at a read"
    if noticed:
        for name in IDS:
            with pytest.raises(RollbackDetected):
                await ledger.change(name, charge)
        assert dump(store) == before
        assert anchor.value == anchored
    await ledger.close()
    store.close()
    return noticed


def dump(store: SqliteStore) -> list[object]:
    tables = ("record", "bucket", "head", "event")
    return [store._db.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608


async def test_the_newest_database_is_served(history: History, tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    shutil.copy(history.database(COMMITS), database)
    assert await is_noticed(database, history.anchored[COMMITS]) == ""


async def test_one_commit_ahead_is_a_crash_and_is_served(history: History, tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    shutil.copy(history.database(COMMITS), database)
    store = SqliteStore(database, VAULT_ID)
    anchor = MemoryAnchor(history.anchored[COMMITS - 1])
    ledger = Ledger(store, anchor, KEYS, VAULT_ID)
    await ledger.start()
    assert ledger.rollback is None
    assert anchor.value == history.anchored[COMMITS]
    await ledger.close()
    store.close()


@pytest.mark.parametrize("epoch", range(COMMITS))
async def test_an_older_file_is_noticed_at_start(
    history: History, tmp_path: Path, epoch: int
) -> None:
    database = tmp_path / "vault.db"
    shutil.copy(history.database(epoch), database)
    assert await is_noticed(database, history.anchored[COMMITS]) == "at start"


@pytest.mark.parametrize("behind", range(2, COMMITS + 1, 5))
async def test_an_anchor_that_is_behind_is_noticed_at_start(
    history: History, tmp_path: Path, behind: int
) -> None:
    database = tmp_path / "vault.db"
    shutil.copy(history.database(COMMITS), database)
    assert await is_noticed(database, history.anchored[COMMITS - behind]) == "at start"


async def test_a_file_without_its_log_is_noticed(history: History, tmp_path: Path) -> None:
    database = tmp_path / "vault.db"
    shutil.copy(history.folder / "without-log.db", database)
    assert await is_noticed(database, history.anchored[COMMITS]) == "at start"


async def test_every_generated_damage_is_noticed(history: History, tmp_path: Path) -> None:
    choose = random.Random(20_261)
    when = {"at start": 0, "at a read": 0}
    for case in range(CASES):
        database = tmp_path / "vault.db"
        shutil.copy(history.database(COMMITS), database)
        damage = choose.choice(DAMAGES)
        connection = sqlite3.connect(database)
        with connection:
            damage(choose, history, connection)
        connection.close()
        noticed = await is_noticed(database, history.anchored[COMMITS])
        assert noticed, (case, damage.__name__)
        when[noticed] += 1
    assert min(when.values()) > CASES // 10
