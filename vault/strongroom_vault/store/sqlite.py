"""The store in one SQLite file: write-ahead log, every commit synced to disk (`synchronous=FULL`).

A lock on `<file>.lock` keeps a second vault off the same store; the kernel drops it when the holder
dies, however it dies.

What holds for every value (its type, one row for a key) SQLite keeps to only while the tables are
those of the schema. So they are compared: at the start, when SQLite says that the schema has
changed, and when a statement fails. What is not ours is said to be so (StoreChanged), and is not
taken for a store that fails.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.store import sqlite_file
from strongroom_vault.store.interface import Commit, Snapshot, StoreChanged, StoreError
from strongroom_vault.store.sqlite_file import (
    STORE_PATH,
    configure,
    executed,
    our_shape,
    settings_of,
    shape,
    transaction,
    write_commit,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

_READ_BUCKETS: Final = (
    "SELECT group_concat(bucket || ' ' || hex(id) || ' ' || hex(sealed), ';')"
    " FROM record WHERE bucket IN ({values})"
)


class SqliteReader:
    """A store that is only read, also while a vault serves from it: one consistent moment of it."""

    def __init__(self, path: Path, vault_id: str, source: str = STORE_PATH) -> None:
        """Open the store at `path`; `source` is the setting or argument that names it.

        Raises:
            OperatorError: no such store, or another vault's.
        """
        sqlite_file.require(path, source)
        with ExitStack() as undo:
            self._lock(path, source, undo)
            try:
                self._db = sqlite3.connect(
                    path,
                    isolation_level=None,
                    check_same_thread=False,
                    timeout=5,
                    cached_statements=64,  # each for one row, two, four, ...
                )
                undo.callback(self._db.close)
                self._check_settings(path, vault_id, source)  # before anything is written to it
                self._prepare()
            except sqlite3.Error as error:
                raise sqlite_file.refused(path, source, error) from error
            self._undo = undo.pop_all()
        self._schema = -1
        """The number of the schema that was compared."""

    def load(self) -> Snapshot:
        """Return the head and the bucket hashes."""
        with self._translated("read"):
            self._check_schema()
            heads = self._db.execute("SELECT stored FROM head").fetchall()
            buckets = dict(self._db.execute("SELECT number, hash FROM bucket"))
        head = heads[0][0] if heads else b""
        _check_types([head, *buckets.values()], bytes)
        _check_types(buckets, int)
        return Snapshot(head, buckets)

    def events(self) -> Iterator[bytes]:
        """Return the bodies of all audit events, in order."""
        with self._translated("read"):
            for (body,) in self._db.execute("SELECT body FROM event ORDER BY number"):
                _check_types((body,), bytes)
                yield body

    def read_buckets(self, buckets: Collection[int]) -> Mapping[int, Mapping[bytes, bytes]]:
        """Return the sealed records of some buckets: number -> record id -> record."""
        found: dict[int, dict[bytes, bytes]] = {bucket: {} for bucket in buckets}
        with self._translated("read"):
            for rows in executed(self._db, _READ_BUCKETS, "?", [(bucket,) for bucket in found]):
                for row in (rows.fetchone()[0] or "").split(";"):
                    match row.split(" "):
                        case bucket, name, sealed if bucket.isdecimal():
                            found[int(bucket)][bytes.fromhex(name)] = bytes.fromhex(sealed)
                        case [""]:
                            pass  # a bucket without records
                        case _:
                            raise StoreChanged("a record is none in the database")
        return found

    def check(self, *, writes: bool = False) -> None:
        """Raise StoreError unless the store can be read; if `writes`, written too."""
        with self._translated("read"):
            if self._schema_version() != self._schema:
                self._check_schema()
        self.read_buckets((0,))
        if writes:
            with self._translated("write"), transaction(self._db):
                # Nobody reads this number. What stays as it is, SQLite would not write at all.
                (number,) = self._db.execute("PRAGMA user_version").fetchone()
                self._db.execute(f"PRAGMA user_version = {1 - number}")

    def close(self) -> None:
        """Close the file, then let go of its lock."""
        self._undo.close()

    def copy_to(self, target: Path) -> None:
        """Write a copy of this moment of the store to a new file of mode 0600."""
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with self._translated("copy"), closing(sqlite3.connect(target)) as copy:
            self._db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")

    def _schema_version(self) -> int:
        """A number that SQLite changes with the schema."""
        (number,) = self._db.execute("PRAGMA schema_version").fetchone()
        return int(number)

    def _check_schema(self) -> None:
        """Compare the tables with those that a vault makes.

        Raises:
            StoreChanged: they are others.
        """
        number = self._schema_version()
        if shape(self._db) != our_shape():
            raise StoreChanged("the tables of the database are not those that this vault made")
        self._schema = number

    @contextmanager
    def _translated(self, verb: str) -> Iterator[None]:
        """SQLite's errors as ours; where the schema has changed, that is what went wrong."""
        try:
            yield
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._check_schema()
            raise StoreError(f"cannot {verb}: {error}") from error

    def _lock(self, path: Path, source: str, undo: ExitStack) -> None:
        """A reader needs no lock."""

    def _prepare(self) -> None:
        self._db.execute("PRAGMA query_only = ON")
        self._db.execute("BEGIN")

    def _check_settings(self, path: Path, vault_id: str, source: str) -> None:
        self._db.execute("PRAGMA trusted_schema = OFF")
        found = dict(self._db.execute("SELECT name, value FROM setting"))
        expected = settings_of(vault_id)
        for name, value in expected.items():
            if found.get(name) != value:
                raise OperatorError(
                    f"{source}: the store {path} has {name} {found.get(name)!r}, the settings want"
                    f" {value!r}"
                )


class SqliteStore(SqliteReader):
    """One open store of a vault that serves; see `store.interface.Store`."""

    def commit(self, commit: Commit) -> None:
        """Write all or nothing, durably."""
        with self._translated("write"), transaction(self._db):
            write_commit(self._db, commit)

    def _lock(self, path: Path, source: str, undo: ExitStack) -> None:
        lock = lock_exclusively(
            path.with_name(path.name + ".lock"),
            f"another process serves from the store {path}",
            create=True,
            source=source,
        )
        undo.callback(os.close, lock)

    def _prepare(self) -> None:
        configure(self._db)


def _check_types(values: Iterable[object], kind: type) -> None:
    """Check what STRICT promises, which holds for what SQLite wrote, but not for edited files.

    Raises:
        StoreChanged: a value is of another type.
    """
    for value in values:
        if type(value) is not kind:
            raise StoreChanged(f"a value is {type(value).__name__} in the database")
