"""What a thief reads in a database that is really read."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.demo import stolen
from strongroom_vault.store import sqlite_file
from strongroom_vault.store.interface import Commit, Row

if TYPE_CHECKING:
    from pathlib import Path


def test_each_record_is_told_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "nightly.db"
    ids = [bytes([number]) * 32 for number in (1, 2)]
    rows = [Row(ids[0], os.urandom(1024)), Row(ids[1], bytes(1024))]
    events = [
        b'{"event":"initialised"}',
        f'{{"event":"registered","record":"{ids[0].hex()}"}}'.encode(),
        f'{{"event":"attempt","record":"{ids[0].hex()}"}}'.encode(),
    ]
    sqlite_file.create(path, "vault.test", Commit(rows, {}, events, b"head"))
    first, first_log, second, second_log = stolen.rows(path)
    assert first[0] == "record 01010101"
    assert first[1].startswith("1024 sealed bytes; compressed, 1")
    assert first_log == ("its log", "registered, attempt")
    assert int(second[1].split("compressed, ")[1].split(":")[0]) < 100  # zeros: no noise at all
    assert second_log == ("its log", "")


def test_the_database_of_another_program_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.Error):
        list(stolen.rows(tmp_path / "new.db"))
