"""A database whose tables somebody has changed: noticed at the start and while a vault serves.

Covered: tables rebuilt with other rules, types or columns, views and triggers, missing tables,
values of other types in tables that look as they should.
Not covered here: rows and whole files (test_rollback.py); a file that SQLite itself cannot read.
"""

from __future__ import annotations

import sqlite3
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import active

from strongroom_vault.errors import RollbackDetected
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.operator.verification import verify_rows
from strongroom_vault.records import policy
from strongroom_vault.store.interface import StoreChanged
from strongroom_vault.store.sqlite import SqliteReader, SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from strongroom_vault.records.record import Record

ALICE = b"\0\0" + b"a" * 30
"""In bucket 0, which every health check reads."""


def rebuilt(table: str, columns: str, options: str = "STRICT", then: str = "") -> str:
    return f"""
        ALTER TABLE {table} RENAME TO old;
        CREATE TABLE {table} ({columns}) {options};
        INSERT INTO {table} SELECT * FROM old;
        DROP TABLE old;
        {then}
    """  # noqa: S608 -- a test's own words


def loosened(statement: str) -> str:
    """Put values of other types into tables that say STRICT before and after."""
    return f"""
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(replace(sql, ', STRICT', ''), ') STRICT', ')');
        PRAGMA writable_schema = RESET;
        {statement};
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = sql || iif(name = 'record', ', STRICT', ' STRICT')
            WHERE name IN ('record', 'bucket', 'event', 'head');
        UPDATE sqlite_schema SET sql = sql || ', STRICT' WHERE name = 'setting';
        PRAGMA writable_schema = RESET;
    """  # noqa: S608 -- a test's own words


RECORD = "bucket INTEGER NOT NULL, id BLOB NOT NULL, sealed BLOB NOT NULL"
KEYED = f"{RECORD}, PRIMARY KEY (bucket, id)"
HEAD = "one INTEGER PRIMARY KEY CHECK (one = 1), stored BLOB NOT NULL"
TABLES = {
    "record without STRICT": rebuilt("record", KEYED, "WITHOUT ROWID"),
    "record without types": rebuilt("record", "bucket, id, sealed, PRIMARY KEY (bucket, id)", ""),
    "record without its key": rebuilt("record", RECORD),
    "record with NULL": rebuilt("record", KEYED.replace(" NOT NULL", ""), "STRICT"),
    "record with another type": rebuilt("record", KEYED.replace("id BLOB", "id ANY")),
    "bucket without STRICT": rebuilt(
        "bucket", "number INTEGER PRIMARY KEY, hash BLOB NOT NULL", ""
    ),
    "bucket without its key": rebuilt("bucket", "number INTEGER, hash BLOB NOT NULL"),
    "event without STRICT": rebuilt("event", "number INTEGER PRIMARY KEY, body BLOB NOT NULL", ""),
    "head without STRICT": rebuilt("head", HEAD, ""),
    "head without its key": rebuilt("head", "one INTEGER, stored BLOB NOT NULL"),
    "head as text": rebuilt(
        "head",
        "one INTEGER PRIMARY KEY, stored TEXT NOT NULL",
        "",
        "UPDATE head SET stored = 'text'",
    ),
    "head as nothing": rebuilt(
        "head", "one INTEGER PRIMARY KEY, stored", "", "UPDATE head SET stored = NULL"
    ),
    "bucket as text": rebuilt(
        "record", "bucket, id, sealed", "", "UPDATE record SET bucket = 'zero'"
    ),
    "bucket as a fraction": rebuilt(
        "record", "bucket, id, sealed", "", "UPDATE record SET bucket = 0.0"
    ),
    "an extra column": "ALTER TABLE record ADD COLUMN extra TEXT",
    "an extra table": "CREATE TABLE extra (one TEXT)",
    "a view": "CREATE VIEW extra AS SELECT * FROM record",
    "a view for a table": "ALTER TABLE head RENAME TO x; CREATE VIEW head AS SELECT * FROM x",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM record; END",
    "no record": "DROP TABLE record",
    "no bucket": "DROP TABLE bucket",
    "no event": "DROP TABLE event",
    "no head": "DROP TABLE head",
}
VALUES = {
    "head as text": loosened("UPDATE head SET stored = 'text'"),
    "hash as text": loosened("UPDATE bucket SET hash = '01234567890123456789012345678901'"),
    "hash as a number": loosened("UPDATE bucket SET hash = 7"),
}
HARMLESS = {"statistics": "ANALYZE", "compaction": "VACUUM", "order": "REINDEX"}


def change(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(script)


class Vault:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.anchor: MemoryAnchor = make_store(path)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Ledger]:
        with closing(SqliteStore(self.path, VAULT_ID)) as store:
            ledger = Ledger(store, self.anchor, KEYS, VAULT_ID)
            await ledger.start()
            yield ledger
            await ledger.close()


def put(record: Record) -> policy.Decision[None]:
    return policy.Decision(active(record.used + 1), None)


@pytest.fixture
async def vault(tmp_path: Path) -> Vault:
    vault = Vault(tmp_path / "vault.db")
    async with vault.serving() as ledger:
        await ledger.change(ALICE, put)
    return vault


async def assert_stopped(ledger: Ledger) -> None:
    assert ledger.rollback is not None
    for _ in range(2):
        with pytest.raises(RollbackDetected):
            await ledger.change(ALICE, put)
    with pytest.raises(RollbackDetected):
        await ledger.read_bucket(0)


@pytest.mark.parametrize("script", [*TABLES.values()], ids=[*TABLES])
@pytest.mark.parametrize("first", ["check", "change"])
async def test_changed_tables(vault: Vault, script: str, first: str) -> None:
    async with vault.serving() as ledger:
        head = ledger._journal._head
        change(vault.path, script)
        if first == "change":
            # What is wrong is found by what it breaks, or by the next check: a second later.
            with suppress(RollbackDetected):
                await ledger.change(ALICE, put)
        with pytest.raises(RollbackDetected):
            await ledger.change(ALICE, put) if ledger.rollback else await ledger.check()
        await assert_stopped(ledger)
    async with vault.serving() as ledger:
        await assert_stopped(ledger)
    with closing(SqliteReader(vault.path, VAULT_ID)) as store, pytest.raises(StoreChanged):
        verify_rows(store, head)


@pytest.mark.parametrize("script", [*VALUES.values()], ids=[*VALUES])
async def test_values_of_other_types_in_tables_that_look_right(vault: Vault, script: str) -> None:
    change(vault.path, script)
    async with vault.serving() as ledger:
        with pytest.raises(RollbackDetected):
            await ledger.change(ALICE, put)
        await assert_stopped(ledger)


@pytest.mark.parametrize("script", [*HARMLESS.values()], ids=[*HARMLESS])
async def test_what_an_operator_may_do(vault: Vault, script: str) -> None:
    async with vault.serving() as ledger:
        change(vault.path, script)
        await ledger.check()
        await ledger.change(ALICE, put)
    async with vault.serving() as ledger:
        await ledger.check()
        await ledger.change(ALICE, put)
