"""stdin, stdout and stderr of a command, whatever the shell has made of them.

- What cannot be written to stdout (disk full, reader gone, closed) is an OSError where it is
  written, never text that stays in a buffer until the interpreter fails on it at its end.
- What cannot be written to stderr is lost, and stops nothing: a message that nobody reads must not
  end a command between two steps that belong together.
- A descriptor that the shell has closed is opened, so that no file or socket gets its number: a
  library that writes to "stderr" would write into the database.
"""

from __future__ import annotations

import fcntl
import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDOUT: Final = 1
_STDERR: Final = 2


class Whole(io.FileIO):
    """Writes all or raises, at once; the error names the `label`."""

    label = "stdout"

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it. Raises OSError."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written: int | None = super().write(rest)
                if written is None:  # a descriptor that does not block, and is full
                    raise BlockingIOError("it is full")
                rest = rest[written:]
        except OSError as error:
            error.filename = self.label
            raise
        return size


class _Unfailing(Whole):
    """Writes what can be written."""

    def write(self, data: ReadableBuffer, /) -> int:
        with suppress(OSError):
            super().write(data)
        return memoryview(data).nbytes


def unfailing_stderr() -> TextIO:
    """Return a stderr on which nothing fails and in which nothing stays."""
    return _text(_Unfailing(_STDERR, "w", closefd=False), sys.stderr, "backslashreplace")


def prepare() -> None:
    """Put the three streams of this process in order. Call it first."""
    had_stdout = sys.stdout is not None  # None where the shell has closed it
    _open_closed_descriptors()
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, PTH123 -- for good
    if sys.stderr is sys.__stderr__:
        sys.stderr = unfailing_stderr()
    if sys.stdout is sys.__stdout__:
        if sys.stdout is not None:
            sys.stdout.flush()
        # Nothing can be written to one that is open for reading alone: as to the closed one.
        number = _STDOUT if had_stdout else os.open(os.devnull, os.O_RDONLY)
        sys.stdout = _text(Whole(number, "w", closefd=False), sys.stdout, "strict")


def can_be_written(stream: TextIO) -> bool:
    """Whether a stream leads anywhere: one that the shell has closed does not."""
    return fcntl.fcntl(stream.fileno(), fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _open_closed_descriptors() -> None:
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(number)


def _text(raw: io.FileIO, like: TextIO | None, errors: str) -> TextIO:
    encoding = "utf-8" if like is None else like.encoding
    errors = errors if like is None or like.errors is None else like.errors
    return io.TextIOWrapper(
        raw,  # no buffer between, as with the interpreter's own after -u
        encoding=encoding,
        errors=errors,
        write_through=True,
    )
