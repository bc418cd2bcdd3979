"""Backup files on this device: what is checked before anyone is asked, then the work itself."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import click

from strongroom.age_header import CHUNK, TAG, read_header
from strongroom.backup_key import READ_SIZE
from strongroom.drafts import new_file
from strongroom.errors import NotABackup, StrongroomError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from strongroom.age_header import AgeHeader
    from strongroom.backup_key import BackupKey, Progress


class NoRoom(StrongroomError):
    """The output does not fit on its disk."""

    hint = "Make room, or write to another disk with --output."


class Work:
    """One file to be read and one to be written: both are open, and nothing stands in the way."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], label: str) -> None:
        self._reader = reader
        self._writer = writer
        self._label = label

    def encrypt(self, key: BackupKey) -> None:
        """Encrypt the one into the other."""
        with self._progress() as progress:
            key.encrypt(self._reader, self._writer, progress)

    def decrypt(self, key: BackupKey) -> None:
        """Decrypt the one into the other."""
        with self._progress() as progress:
            key.decrypt(self._reader, self._writer, progress)

    @contextmanager
    def _progress(self) -> Iterator[Progress | None]:
        """A progress bar on a terminal; nothing elsewhere."""
        if not sys.stderr.isatty():
            yield None
            return
        size = os.fstat(self._reader.fileno()).st_size
        with click.progressbar(length=size, label=self._label, file=sys.stderr) as bar:

            def progress(done: int, _total: int) -> None:
                bar.update(done - bar.pos)

            yield progress


class Restoration(Work):
    """A backup to be restored."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], header: AgeHeader) -> None:
        super().__init__(reader, writer, "Decrypting")
        self._header = header

    def key_among(self, keys: Iterable[BackupKey]) -> BackupKey | None:
        """Return the key that opens the backup, None where none of these does."""
        return next((key for key in keys if self._header.opens_with(key.to_bytes())), None)


@contextmanager
def to_back_up(file: Path, target: Path) -> Iterator[Work]:
    """Open what is to be encrypted, and its output.

    Raises:
        OutputExists, NoRoom, OSError: it cannot be done; the message says why.
    """
    with file.open("rb", READ_SIZE) as reader, new_file(target) as writer:
        size = os.fstat(reader.fileno()).st_size
        _require_room(writer, size + (size // CHUNK + 1) * TAG, target)
        yield Work(reader, writer, "Encrypting")


@contextmanager
def to_restore(file: Path, target: Path) -> Iterator[Restoration]:
    """Open a backup and its output.

    Raises:
        NotABackup, BackupDamaged: as far as the file's beginning and its size tell.
        OutputExists, NoRoom, OSError: it cannot be done; the message says why.
    """
    with _opened_regular(file) as reader:
        header = read_header(reader, os.fstat(reader.fileno()).st_size)
        reader.seek(0)
        with new_file(target) as writer:
            _require_room(writer, header.content_size, target)
            yield Restoration(reader, writer, header)


def _opened_regular(file: Path) -> IO[bytes]:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return os.fdopen(descriptor, "rb", READ_SIZE)
    os.close(descriptor)
    raise NotABackup(f"{file} is no file on a disk, and a backup is read twice.")


def _require_room(writer: IO[bytes], size: int, target: Path) -> None:
    try:
        disk = os.fstatvfs(writer.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return  # some network file systems do not say
        raise
    room = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and size > room:
        raise NoRoom(f"{target} would have {_mega(size)}, and its disk has room for {_mega(room)}.")


def _mega(size: int) -> str:
    return f"{-(-size // 1_000_000)} MB"
