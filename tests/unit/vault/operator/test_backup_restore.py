"""Copies of a store: whole, private, never over another file, and kept when one is replaced."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import anchor, backup_restore
from strongroom_vault.operator.access import token_lock

if TYPE_CHECKING:
    from pathlib import Path

    from made_vault import MadeVault


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("vault.db"))


async def test_a_copy_is_restored(made: MadeVault, tmp_path: Path) -> None:
    await made.register()
    copy = tmp_path / "copy.db"
    assert backup_restore.backup(made.settings, copy).problem == ""
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    made.database.unlink()
    status, lost = backup_restore.restore(made.settings, copy, older=False)
    assert (status.problem, lost) == ("", 0)
    assert anchor.anchor_status(made.settings).head == status.head


async def test_a_copy_replaces_no_file(made: MadeVault, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a thesis")
    with pytest.raises(OperatorError, match=r"there exists already"):
        backup_restore.backup(made.settings, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "a thesis"


async def test_an_older_copy_is_restored_on_purpose_alone(made: MadeVault, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    backup_restore.backup(made.settings, copy)
    await made.register()
    newest = made.database.read_bytes()
    with pytest.raises(OperatorError, match=r"cannot be served: .* 1 commit is missing"):
        backup_restore.restore(made.settings, copy, older=False)
    assert made.database.read_bytes() == newest
    status, _ = backup_restore.restore(made.settings, copy, older=True)
    assert status.missing == 1
    (kept,) = (name for name in names(made.database.parent) if ".before-" in name)
    assert made.database.with_name(kept).read_bytes() == newest


async def test_a_journal_goes_with_the_store_that_it_belongs_to(
    made: MadeVault, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    backup_restore.backup(made.settings, copy)
    for end in ("-wal", "-shm"):
        made.database.with_name(made.database.name + end).write_bytes(b"another store's")
    backup_restore.restore(made.settings, copy, older=False)
    kept = [name for name in names(made.database.parent) if ".before-" in name]
    assert [name.partition("before-")[2].strip("0123456789") for name in kept] == [
        "",
        "-shm",
        "-wal",
    ]


async def test_what_is_not_whole_is_not_restored(made: MadeVault, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    await made.register()
    backup_restore.backup(made.settings, copy)
    with closing(sqlite3.connect(copy)) as db, db:
        db.execute("UPDATE record SET sealed = zeroblob(512)")
    before = made.database.read_bytes()
    with pytest.raises(OperatorError, match="was changed"):
        backup_restore.restore(made.settings, copy, older=True)
    assert made.database.read_bytes() == before
    assert not [name for name in names(made.database.parent) if "before" in name]


async def test_a_running_vault_keeps_its_store(made: MadeVault, tmp_path: Path) -> None:
    with token_lock(made.settings), pytest.raises(OperatorError, match="the vault is running"):
        backup_restore.restore(made.settings, tmp_path / "copy.db", older=False)
