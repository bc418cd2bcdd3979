"""The SQLite file of a store: made once, compared, written in few statements."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.store import sqlite_file
from strongroom_vault.store.interface import Commit

if TYPE_CHECKING:
    from pathlib import Path

FIRST = Commit((), {7: b"h" * 32}, [b"one", b"two"], b"head")


def test_a_store_is_its_owners_alone_and_has_its_first_commit(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    sqlite_file.create(path, "vault.test", FIRST)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT body FROM event ORDER BY number").fetchall() == [
            (b"one",),
            (b"two",),
        ]
        assert db.execute("SELECT number, hash FROM bucket").fetchall() == [(7, b"h" * 32)]
        assert dict(db.execute("SELECT name, value FROM setting")) == sqlite_file.settings_of(
            "vault.test"
        )
        assert sqlite_file.shape(db) == sqlite_file.our_shape()
    assert [one.name for one in tmp_path.iterdir()] == ["vault.db"]


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    path.write_bytes(b"a thesis")
    with pytest.raises(OperatorError, match=r"^\[store\] path .* exists already"):
        sqlite_file.create(path, "vault.test", FIRST)
    assert path.read_bytes() == b"a thesis"
    with pytest.raises(OperatorError) as caught:
        sqlite_file.create(tmp_path / "none" / "vault.db", "vault.test", FIRST)
    assert str(caught.value).endswith("vault.db: No such file or directory")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (sqlite3.SQLITE_NOTADB, "is not a store of a vault"),
        (sqlite3.SQLITE_CANTOPEN, "this user may not open"),
        (sqlite3.SQLITE_READONLY_DIRECTORY, "this user may not open"),
        (sqlite3.SQLITE_CORRUPT, "cannot open the store"),
    ],
)
def test_why_a_file_does_not_open(tmp_path: Path, code: int, said: str) -> None:
    error = sqlite3.OperationalError("what SQLite says")
    error.sqlite_errorcode = code
    refused = sqlite_file.refused(tmp_path / "vault.db", "SOURCE", error)
    assert str(refused).startswith("SOURCE: ")
    assert said in str(refused)


@pytest.mark.parametrize("count", [0, 1, 3, 256, 300])
def test_rows_go_into_few_statements(count: int) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE number (value INTEGER)")
        rows = [(number,) for number in range(count)]
        statement = "INSERT INTO number VALUES {values}"
        steps = len(list(sqlite_file.executed(db, statement, "(?)", rows)))
        assert steps == count.bit_count()
        assert db.execute("SELECT count(*) FROM number").fetchone() == (count,)


def insert_and_fail(db: sqlite3.Connection) -> None:
    with sqlite_file.transaction(db):
        db.execute("INSERT INTO number VALUES (1)")
        raise KeyError


def test_a_transaction_that_is_left_by_an_error_leaves_nothing() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE number (value INTEGER)")
        with pytest.raises(KeyError):
            insert_and_fail(db)
        with sqlite_file.transaction(db):
            db.execute("INSERT INTO number VALUES (2)")
        assert db.execute("SELECT value FROM number").fetchall() == [(2,)]
