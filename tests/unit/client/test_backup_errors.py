"""What is wrong with a backup is told by its own error; an output that exists, with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom import BackupKey, NotABackup, OutputExists

if TYPE_CHECKING:
    from pathlib import Path


def test_an_output_that_exists_is_named_and_kept(tmp_path: Path) -> None:
    plain, there = tmp_path / "plain", tmp_path / "there"
    plain.write_bytes(b"text")
    there.write_bytes(b"older")
    with pytest.raises(OutputExists) as error:
        BackupKey.generate().encrypt_file(plain, there)
    assert str(error.value) == f"{there} already exists."
    assert there.read_bytes() == b"older"


def test_no_control_character_of_a_name_reaches_a_terminal() -> None:
    assert "\x1b" not in str(OutputExists("a\x1b[31mb"))


def test_another_file_is_no_backup(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_bytes(b"text")
    with pytest.raises(NotABackup):
        BackupKey.generate().decrypt_file(plain, tmp_path / "output")
    assert not (tmp_path / "output").exists()
