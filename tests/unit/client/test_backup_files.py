"""Files and pipes under a backup: what goes wrong in them is raised as it was."""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING

import pytest

from strongroom import BackupDamaged, BackupKey
from strongroom.backup_files import Unread, opened_backup, size_of

if TYPE_CHECKING:
    from pathlib import Path

KEY = BackupKey(bytes(range(32)))


def backup_of(data: bytes) -> bytes:
    output = io.BytesIO()
    KEY.encrypt(io.BytesIO(data), output)
    return output.getvalue()


class Broken(io.BytesIO):
    """A file whose disk fails after some bytes."""

    def __init__(self, data: bytes, good: int) -> None:
        super().__init__(data)
        self._good = good

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= self._good:
            raise OSError(errno.EIO, "the disk fails")
        return super().read(size)


class Full(io.BytesIO):
    """A file on a full disk."""

    def write(self, _data: object, /) -> int:
        raise OSError(errno.ENOSPC, "the disk is full")


def test_a_beginning_that_was_read_is_read_once_more() -> None:
    file = Unread(b"begin", io.BytesIO(b"ning"))
    assert file.read(3) == b"beg"
    assert file.read(10) == b"in"
    assert file.read(10) == b"ning"
    assert file.read(10) == b""


def test_a_pipe_is_read_from_its_first_byte() -> None:
    backup = backup_of(b"text")
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", 0) as pipe:
        with os.fdopen(writing, "wb", 0) as other:
            other.write(backup)
        assert size_of(pipe) is None
        header, whole = opened_backup(pipe)
        assert header.opens_with(KEY.to_bytes())
        assert whole.read() == backup


def test_the_size_is_known_of_files_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(7))
    with path.open("rb") as file:
        assert size_of(file) == 7
    assert size_of(io.BytesIO(bytes(7))) is None


def test_the_error_of_a_disk_is_never_called_damage() -> None:
    """age renames what its files raise; a person would throw a good backup away."""
    backup = backup_of(bytes(1_000_000))
    with pytest.raises(OSError, match="the disk fails"):
        KEY.decrypt(Broken(backup, 500_000), io.BytesIO())
    with pytest.raises(OSError, match="the disk fails"):
        KEY.encrypt(Broken(bytes(1_000_000), 500_000), io.BytesIO())
    for write in (KEY.encrypt, KEY.decrypt):
        with pytest.raises(OSError, match="the disk is full"):
            write(io.BytesIO(backup), Full())


def test_what_is_cut_off_is_damage() -> None:
    with pytest.raises(BackupDamaged):
        KEY.decrypt(io.BytesIO(backup_of(bytes(1_000_000))[:-1]), io.BytesIO())


def test_progress_ends_with_everything_done(tmp_path: Path) -> None:
    path, told = tmp_path / "file", list[tuple[int, int]]()
    path.write_bytes(bytes(3_000_000))
    with path.open("rb") as file:
        KEY.encrypt(file, io.BytesIO(), lambda done, total: told.append((done, total)))
    assert told[-1] == (3_000_000, 3_000_000)
    assert told == sorted(told)
