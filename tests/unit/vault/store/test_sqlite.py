"""How a store is opened and refused; `tests/contract/store` has what it does once it is open."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.store import sqlite_file
from strongroom_vault.store.interface import Commit, StoreError
from strongroom_vault.store.sqlite import SqliteReader, SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

SETTING: Final = "[store] path (STRONGROOM_VAULT_STORE_PATH): "


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.db"
    sqlite_file.create(path, "vault.test", Commit((), {}, [b"event"], b"head"))
    return path


@pytest.mark.parametrize("kind", [SqliteReader, SqliteStore])
def test_what_is_no_store_is_refused_in_the_settings_name(
    tmp_path: Path, kind: type[SqliteReader]
) -> None:
    missing, folder, empty, garbage = (tmp_path / one for one in ("none", "folder", "empty", "x"))
    folder.mkdir()
    empty.touch()
    garbage.write_bytes(b"a poem, and not a database at all" * 100)
    for path, problem in (
        (missing, f"there is no store at {missing}"),
        (empty / "none", f"there is no store at {empty / 'none'}"),
        (folder, f"there is no store at {folder}: it is a folder"),
        (empty, f"{empty} is empty, and not a store"),
        (garbage, f"{garbage} is not a store of a vault"),
    ):
        with pytest.raises(OperatorError) as caught:
            kind(path, "vault.test")
        assert str(caught.value) == f"{SETTING}{problem}"
        assert "Check the path" in caught.value.hint
    assert empty.stat().st_size == 0


def test_the_database_of_another_program_is_left_as_it_is(tmp_path: Path) -> None:
    """A slip in the path must not change somebody's file."""
    path = tmp_path / "chats.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE chat (text)")
    before = path.read_bytes()
    for kind in (SqliteReader, SqliteStore):
        with pytest.raises(OperatorError, match="is not a store of a vault"):
            kind(path, "vault.test")
    assert path.read_bytes() == before


def test_a_copy_is_named_as_the_argument_that_it_is(tmp_path: Path, path: Path) -> None:
    with pytest.raises(OperatorError, match=r"^SOURCE: there is no store at") as caught:
        SqliteReader(tmp_path / "none", "vault.test", "SOURCE")
    assert "init" not in caught.value.hint
    with pytest.raises(OperatorError, match=r"^SOURCE: the store .* has vault id 'vault\.test'"):
        SqliteReader(path, "vault.other", "SOURCE")


def test_a_store_whose_lock_cannot_be_made(path: Path) -> None:
    path.with_name(path.name + ".lock").mkdir()
    with pytest.raises(OperatorError) as caught:
        SqliteStore(path, "vault.test")
    lock = f"{path}.lock"
    assert str(caught.value) == f"{SETTING}cannot open {lock}: Is a directory"


def test_a_reader_reads_beside_a_vault_and_writes_nothing(path: Path) -> None:
    with closing(SqliteStore(path, "vault.test")), closing(SqliteReader(path, "vault.test")) as one:
        assert one.load().head == b"head"
        assert list(one.events()) == [b"event"]
        with pytest.raises(StoreError, match="cannot write"):
            one.check(writes=True)
