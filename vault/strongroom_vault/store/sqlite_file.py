"""The SQLite file itself: how it is made, its tables and settings, how statements are executed."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import exists, kind_of, sync_folder
from strongroom_vault.settings.named_files import AS_ITS_USER
from strongroom_vault.settings.refusals import named
from strongroom_vault.store.interface import BUCKET_BITS, bucket_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from strongroom_vault.store.interface import Commit

FORMAT: Final = "1"
STORE_PATH: Final = named("store", "path")
_CHECK: Final = "Check the path, and that its disk is mounted."
_INIT: Final = f"{_CHECK} strongroom-vault init makes a new vault's store."
CACHE_KIB: Final = 16 * 1024
"""So that the second half of a recovery finds the pages of its first, whatever the store's size."""
_SCHEMA: Final = files("strongroom_vault.store").joinpath("schema/sqlite.sql")
ROWS_AT_ONCE: Final = 256
"""One statement takes so many rows. Python lets other threads run at each step of a statement, and
a busy event loop is slow to let this one on: a statement for each row costs more than the disk.
For the same reason all buckets of a read come back as one row, of text."""
_WRITE_RECORDS: Final = (
    "INSERT INTO record (bucket, id, sealed) VALUES {values}"
    " ON CONFLICT (bucket, id) DO UPDATE SET sealed = excluded.sealed"
)
_WRITE_BUCKETS: Final = (
    "INSERT INTO bucket (number, hash) VALUES {values}"
    " ON CONFLICT (number) DO UPDATE SET hash = excluded.hash"
)
_WRITE_EVENTS: Final = "INSERT INTO event (body) VALUES {values}"
_WRITE_HEAD: Final = "INSERT OR REPLACE INTO head (one, stored) VALUES (1, ?)"


_SHAPE: Final = """
    SELECT found.name, found.type, found.strict, found.wr,
        column.name, column.type, column."notnull", column.pk, column.hidden, column.dflt_value
    FROM pragma_table_list AS found, pragma_table_xinfo(found.name) AS column
    WHERE found.schema = 'main' AND found.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    ORDER BY found.name, column.cid
"""
"""SQLite's own tables, which `ANALYZE` makes, are of no concern."""
_TRIGGERS: Final = "SELECT name FROM sqlite_schema WHERE type = 'trigger'"


def require(path: Path, source: str) -> None:
    """Check that there is a file which may be a store.

    Args:
        path: of the store.
        source: the setting or argument that names it.

    Raises:
        OperatorError: there is none.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = _INIT if source == STORE_PATH else _CHECK
        raise OperatorError(f"{source}: there is no store at {path}", hint) from error
    except OSError as error:
        raise OperatorError(f"{source}: cannot read {path}: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = kind_of(status.st_mode)
        raise OperatorError(f"{source}: there is no store at {path}: it is {kind}", _CHECK)
    if status.st_size == 0:
        raise OperatorError(f"{source}: {path} is empty, and not a store", _CHECK)


def refused(path: Path, source: str, error: sqlite3.Error) -> OperatorError:
    """Return why a file that is there cannot be opened as a store."""
    match error.sqlite_errorcode & 0xFF:
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_ERROR:
            return OperatorError(f"{source}: {path} is not a store of a vault", _CHECK)
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            problem = f"this user may not open {path}, or not write beside it"
            return OperatorError(f"{source}: {problem} ({error})", AS_ITS_USER)
        case _:
            return OperatorError(f"{source}: cannot open the store {path}: {error}")


def create(path: Path, vault_id: str, first: Commit) -> None:
    """Make a store for `vault_id` with its first commit, readable by its owner alone.

    The file appears complete or not at all.

    Raises:
        OperatorError: there is a file already, or it cannot be made.
    """
    if exists(path):
        raise OperatorError(f"{STORE_PATH}: {path} exists already; a store is never overwritten")
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _fill(draft, vault_id, first)
        draft.rename(path)
        sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise OperatorError(f"{STORE_PATH}: cannot make the store {path}: {problem}") from error


def settings_of(vault_id: str) -> dict[str, str]:
    """Return what a store says of itself, to be compared with the settings."""
    return {"format": FORMAT, "vault id": vault_id, "bucket bits": str(BUCKET_BITS)}


def _fill(path: Path, vault_id: str, first: Commit) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        configure(db)
        db.executescript(_SCHEMA.read_text(encoding="utf-8"))
        db.executemany("INSERT INTO setting VALUES (?, ?)", settings_of(vault_id).items())
        write_commit(db, first)
    finally:
        db.close()


def configure(db: sqlite3.Connection) -> None:
    """Make every commit durable when it returns, and trust nothing that the file says."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")


def write_commit(db: sqlite3.Connection, commit: Commit) -> None:
    """Write a commit inside a transaction."""
    rows = [(bucket_of(row.id), row.id, row.sealed) for row in commit.rows]
    _execute(db, _WRITE_RECORDS, "(?,?,?)", rows)
    _execute(db, _WRITE_BUCKETS, "(?,?)", list(commit.buckets.items()))
    _execute(db, _WRITE_EVENTS, "(?)", [(body,) for body in commit.events])
    db.execute(_WRITE_HEAD, (commit.head,))


def _execute(
    db: sqlite3.Connection, statement: str, row: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """Execute a statement for rows, with as few steps as there can be."""
    for _ in executed(db, statement, row, rows):
        pass


def executed(
    db: sqlite3.Connection, statement: str, row: str, rows: Sequence[tuple[object, ...]]
) -> Iterator[sqlite3.Cursor]:
    """Execute a statement for rows: `row` is what stands for one of them.

    A power of two of them at once, so that there are few statements to keep prepared.
    """
    first = 0
    while left := len(rows) - first:
        count = min(1 << left.bit_length() - 1, ROWS_AT_ONCE)
        some, first = rows[first : first + count], first + count
        values = ",".join([row] * len(some))
        yield db.execute(statement.format(values=values), [*chain.from_iterable(some)])


def shape(db: sqlite3.Connection) -> list[tuple[object, ...]]:
    """What decides which values the tables may hold."""
    return [*db.execute(_SHAPE), *db.execute(_TRIGGERS)]


@cache
def our_shape() -> list[tuple[object, ...]]:
    """Return the shape of the tables that a vault makes."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_SCHEMA.read_text(encoding="utf-8"))
        return shape(db)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All or nothing, whatever ends the block."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
