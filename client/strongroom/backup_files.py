"""Files and pipes as pyrage reads and writes them; what goes wrong in them is remembered."""

from __future__ import annotations

import io
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final

import pyrage

from strongroom.age_header import CUT, MAX_BEGINNING, VERSION_LINE, read_header
from strongroom.errors import BackupDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from strongroom.age_header import AgeHeader
    from strongroom.backup_key import Progress

READ_SIZE: Final = 1024 * 1024
WRITE_OUT_SIZE: Final = 16 * READ_SIZE


def _remembering(
    function: Callable[[Any], Any], errors: list[BaseException]
) -> Generator[Any, Any, None]:
    """Make `function` a generator, whose `send` calls it and puts its error into `errors`.

    age renames errors, that of a Ctrl-C too. A signal raises where Python's code begins: in a
    function that is before its first line and outside of every `try`, in a generator inside.
    """
    try:
        result = None
        while True:
            result = function((yield result))
    except BaseException as error:
        errors.append(error)
        raise


def _sender(function: Callable[[Any], Any], errors: list[BaseException]) -> Callable[[Any], Any]:
    calls = _remembering(function, errors)
    next(calls)
    return calls.send


class Unread:
    """An open file, or a pipe, whose beginning was read and is read once more."""

    def __init__(self, beginning: bytes, file: IO[bytes] | Unread) -> None:
        self._beginning = io.BytesIO(beginning)
        self._file = file

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` of them; none at the end."""
        return self._beginning.read(size) or self._file.read(size)


def opened_backup(file: IO[bytes] | Unread) -> tuple[AgeHeader, Unread]:
    """Read the header of a backup. Return it, and the whole file as it was.

    Raises:
        NotABackup, BackupDamaged: as far as the file's beginning and its size tell.
    """
    beginning = b""
    while part := file.read(MAX_BEGINNING - len(beginning)):  # a pipe gives it in parts
        beginning += part
    header = read_header(io.BytesIO(beginning), size_of(file))
    if not beginning.startswith(VERSION_LINE):
        beginning = beginning.lstrip()  # what stands before an armor's first line
    return header, Unread(beginning, file)


def size_of(file: IO[bytes] | Unread) -> int | None:
    """Return the bytes of a file on a disk; None of a pipe, a terminal, and what is no file."""
    try:
        found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


class Watched:
    """A reader that reports progress and remembers its own error, which age may rename."""

    def __init__(self, file: IO[bytes] | Unread, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._total = size_of(file) or 0
        self._done = 0
        self.errors: list[BaseException] = []
        self.read = _sender(self._read, self.errors)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        if self._progress is not None:
            self._progress(self._done, self._total)
        return data

    def finish(self) -> None:
        """Report the end, also of an empty file."""
        if self._progress is not None:
            self._progress(self._total, self._total)


class Sink:
    """A writer that remembers its own error, which age may rename.

    It has the disk write while age still computes, so that the sync at the end is short.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unwritten = 0
        self._is_on_disk = size_of(file) is not None
        self.errors: list[BaseException] = []
        self.write = _sender(self._write, self.errors)
        self.flush = file.flush

    def _write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._unwritten += written
        if self._unwritten >= WRITE_OUT_SIZE and self._is_on_disk:
            self._unwritten = 0
            _write_out(self._file.fileno())
        return written


def opened(path: Path) -> IO[bytes]:
    """Open a file as it is read best: in large parts."""
    return path.open("rb", READ_SIZE)


def _write_out(descriptor: int) -> None:
    """Begin to write what is cached, where the system has a way to ask for it."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def translated(*files: Watched | Sink) -> Iterator[None]:
    """Raise the error of a file as it was, also one that age swallows with its last write."""
    try:
        yield
    except (pyrage.DecryptError, pyrage.EncryptError, OSError, StopIteration) as error:
        for file in files:
            if file.errors:
                raise file.errors[0] from error
        is_of_age = isinstance(error, OSError) and error.errno is None
        if isinstance(error, pyrage.DecryptError) or is_of_age:
            raise BackupDamaged(CUT if "truncated" in str(error) else "") from error
        raise
    for file in files:
        if file.errors:
            raise file.errors[0]
