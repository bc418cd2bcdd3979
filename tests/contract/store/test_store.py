"""What every store does. One body; each store is a parameter."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.store import sqlite, sqlite_file
from strongroom_vault.store.interface import (
    BUCKET_BITS,
    Commit,
    Row,
    Store,
    StoreError,
    bucket_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def commit(*rows: Row, head: bytes = b"head", **more: Any) -> Commit:
    return Commit(rows, more.get("buckets", {}), more.get("events", ()), head)


def record_id(bucket: int, rest: int = 0) -> bytes:
    return bucket.to_bytes(2, "big") + rest.to_bytes(30, "big")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    sqlite_file.create(path, "vault.test", commit(head=b"first head"))
    return path


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = sqlite.SqliteStore(path, "vault.test")
    yield opened
    opened.close()


def test_buckets_are_the_first_bits() -> None:
    assert bucket_of(record_id(0)) == 0
    assert bucket_of(record_id(2**BUCKET_BITS - 1, 7)) == 2**BUCKET_BITS - 1


def test_empty(store: Store) -> None:
    assert store.read_buckets((0,))[0] == {}
    store.check()


def test_rows_come_back_by_bucket(store: Store) -> None:
    rows = [Row(record_id(5, number), bytes([number]) * 512) for number in range(20)]
    store.commit(commit(*rows, Row(record_id(6), b"other")))
    assert store.read_buckets((5,))[5] == {row.id: row.sealed for row in rows}
    assert store.read_buckets((6,))[6] == {record_id(6): b"other"}
    assert store.read_buckets((7,))[7] == {}


@pytest.mark.parametrize("count", [255, 256, 257, 700])
def test_many_rows_in_one_commit(store: Store, count: int) -> None:
    rows = [Row(record_id(number, 1), number.to_bytes(2, "big") * 256) for number in range(count)]
    hashes = {number: number.to_bytes(32, "big") for number in range(count)}
    events = [b"event %d" % number for number in range(count)]
    store.commit(commit(*rows, buckets=hashes, events=events))
    found = store.read_buckets(range(count + 1))
    assert found == {
        **{number: {row.id: row.sealed} for number, row in enumerate(rows)},
        count: {},
    }
    assert store.load().buckets == hashes
    assert list(store.events()) == events


def test_a_row_is_replaced(store: Store) -> None:
    store.commit(commit(Row(record_id(5), b"old")))
    store.commit(commit(Row(record_id(5), b"new")))
    assert store.read_buckets((5,))[5] == {record_id(5): b"new"}


def test_the_first_commit_is_there(store: Store) -> None:
    snapshot = store.load()
    assert (snapshot.head, dict(snapshot.buckets)) == (b"first head", {})
    assert list(store.events()) == []


def test_head_buckets_and_events_come_back(store: Store) -> None:
    store.commit(commit(head=b"one", buckets={1: b"a" * 32, 65535: b"b" * 32}, events=[b"1", b"2"]))
    store.commit(commit(head=b"two", buckets={1: b"c" * 32}, events=[b"3"]))
    snapshot = store.load()
    assert snapshot.head == b"two"
    assert dict(snapshot.buckets) == {1: b"c" * 32, 65535: b"b" * 32}
    assert list(store.events()) == [b"1", b"2", b"3"]


def test_all_or_nothing(store: Store) -> None:
    with pytest.raises(StoreError):
        store.commit(commit(Row(record_id(1), b"good"), Row(record_id(2), "not bytes")))  # type: ignore[arg-type]
    assert store.read_buckets((1,))[1] == {}
    assert store.load().head == b"first head"
    store.commit(commit(Row(record_id(1), b"good")))
    assert store.read_buckets((1,))[1] == {record_id(1): b"good"}


def test_survives_closing(path: Path) -> None:
    first = sqlite.SqliteStore(path, "vault.test")
    first.commit(commit(Row(record_id(1), b"row")))
    first.close()
    second = sqlite.SqliteStore(path, "vault.test")
    assert second.read_buckets((1,))[1] == {record_id(1): b"row"}
    second.close()


def commit_and_die(path: Path, acknowledged: multiprocessing.Queue[int]) -> None:
    store = sqlite.SqliteStore(path, "vault.test")
    for number in range(1000):
        store.commit(commit(Row(record_id(1, number), b"row")))
        acknowledged.put(number)
        if number == 20:
            os.kill(os.getpid(), signal.SIGKILL)


def test_a_commit_survives_kill_9_and_the_lock_does_not(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    acknowledged: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=commit_and_die, args=(path, acknowledged))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    store = sqlite.SqliteStore(path, "vault.test")
    assert set(store.read_buckets((1,))[1]) >= {record_id(1, number) for number in range(20)}
    store.close()
    acknowledged.close()
    acknowledged.join_thread()


def test_one_process_at_a_time(store: Store, path: Path) -> None:
    with pytest.raises(OperatorError, match="another process"):
        sqlite.SqliteStore(path, "vault.test")
    store.check()


def test_another_vaults_store_is_refused(path: Path) -> None:
    with pytest.raises(OperatorError, match="vault id"):
        sqlite.SqliteStore(path, "vault.other")
    sqlite.SqliteStore(path, "vault.test").close()


def test_a_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="no store"):
        sqlite.SqliteStore(tmp_path / "none.db", "vault.test")


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "garbage.db"
    path.write_bytes(b"not a database, but long enough to look like one" * 100)
    with pytest.raises(OperatorError):
        sqlite.SqliteStore(path, "vault.test")


def test_a_store_is_never_overwritten(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OperatorError):
        sqlite_file.create(path, "vault.test", commit(head=b"first head"))
    assert path.read_bytes() == before


def test_a_store_cannot_be_made_where_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(OperatorError):
        sqlite_file.create(tmp_path / "none" / "vault.db", "vault.test", commit())


def test_nobody_else_can_read_it(path: Path) -> None:
    assert path.stat().st_mode & 0o077 == 0
    store = sqlite.SqliteStore(path, "vault.test")
    store.commit(commit(Row(record_id(1), b"row")))
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    store.close()


def test_every_commit_is_synced_and_logged(store: sqlite.SqliteStore) -> None:
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_broken_table_is_a_store_error(store: Store, path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("ALTER TABLE record RENAME TO gone")
    other.close()
    with pytest.raises(StoreError):
        store.check()
    with pytest.raises(StoreError):
        store.commit(commit(Row(record_id(1), b"row")))
