"""Backup files and pipes: inputs and outputs are checked and opened before anyone is asked."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from strongroom.age_header import CHUNK, TAG
from strongroom.backup_files import READ_SIZE, Unread, opened, opened_backup, size_of
from strongroom.cli import descriptors, screen
from strongroom.cli.progress import progress_line
from strongroom.drafts import new_file
from strongroom.errors import BackupDamaged, OutputExists
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.terminal.streams import Whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from strongroom.age_header import AgeHeader
    from strongroom.backup_key import BackupKey, Progress

DASH: Final = "-"
_DESCRIPTOR: Final = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,9})")
_STREAMS: Final = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


class NoRoom(StrongroomError):
    """The output does not fit on its disk."""

    hint = "Make room, or write to another disk with -o FILE."


class BackupExists(OutputExists):
    """The backup's output file already exists."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.hint = f"Write to another file with -o FILE, or replace {path} with --force."


class RestoredExists(OutputExists):
    """A backup would be restored in place of a file."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.hint = f"Write to another file with -o FILE, or move {path} away first."


class NotForTerminals(StrongroomError):
    """A backup would be written to a terminal."""

    message = "A backup is not text, so it is not written to a terminal."
    hint = "Send it to a file or a program: strongroom backup - > FILE.age"


class HalfSent(BackupDamaged):
    """A backup turned out to be damaged after its beginning was written to a pipe."""

    hint = (
        "What was written is only the beginning of the content. Fetch the backup again, or use an"
        " older one."
    )


class SameFile(StrongroomError):
    """The backup would replace what it is made from."""

    hint = "Write to another file with -o FILE."


class NothingToBackUp(StrongroomError):
    """A pipe is empty, and would replace an earlier backup."""

    hint = "Find out why nothing came: a command before this one in the pipe may have failed."


class Encryption:
    """What is backed up and where the backup goes, both open."""

    def __init__(self, reader: IO[bytes] | Unread, writer: IO[bytes]) -> None:
        self._reader = reader
        self._writer = writer

    def encrypt(self, key: BackupKey) -> None:
        """Encrypt all of it."""
        with _progress("Encrypting", self._reader, self._writer) as progress:
            key.encrypt(self._reader, self._writer, progress)


class Restoration:
    """A backup to restore and where its content goes, both open."""

    def __init__(self, reader: Unread, writer: IO[bytes], header: AgeHeader) -> None:
        self._reader = reader
        self._writer = writer
        self._header = header

    def key_among(self, keys: Iterable[BackupKey]) -> BackupKey | None:
        """Return the key that opens the backup, None if none of these does.

        Raises:
            BackupDamaged: one does, but another part of the header was changed.
        """
        return next((key for key in keys if self._header.opens_with(key.to_bytes())), None)

    def decrypt(self, key: BackupKey) -> None:
        """Decrypt all of it."""
        with _progress("Decrypting", self._reader, self._writer) as progress:
            try:
                key.decrypt(self._reader, self._writer, progress)
            except BackupDamaged as error:
                if isinstance(self._writer, Whole):
                    raise HalfSent(str(error)) from error
                raise


@contextmanager
def to_back_up(file: str, target: str, *, replace: bool) -> Iterator[Encryption]:
    """Open what is to be encrypted, and its output.

    Raises:
        BackupExists, SameFile, NothingToBackUp, NoRoom, NotForTerminals, BadDescriptor, OSError:
            it cannot be done.
    """
    with _source(file) as reader:
        if replace:
            _require_another(reader, target)
        try:
            output = _output(target, replace=replace)
            with output as writer:
                if writer.isatty():
                    raise NotForTerminals
                size = size_of(reader)
                if size is not None:
                    _require_room(writer, size + (size // CHUNK + 1) * TAG, target)
                yield Encryption(_filled(reader, target) if replace else reader, writer)
        except OutputExists as error:
            raise BackupExists(target) from error


@contextmanager
def to_restore(file: str, target: str) -> Iterator[Restoration]:
    """Open a backup and its output.

    Raises:
        NotABackup, BackupDamaged: the beginning or the size of the file shows it.
        RestoredExists, NoRoom, BadDescriptor, OSError: it cannot be done; the message says why.
    """
    with _source(file) as reader:
        header, whole = opened_backup(reader)
        try:
            with _output(target) as writer:
                _require_room(writer, header.content_size, target)
                yield Restoration(whole, writer, header)
        except OutputExists as error:
            raise RestoredExists(target) from error


def is_stream(name: str) -> bool:
    """Whether an output is a descriptor, a pipe or a device rather than a file."""
    if _descriptor(name, dash=1) is not None:
        return True
    try:
        mode = Path(name).stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def is_stdin(name: str) -> bool:
    """Whether an input is standard input."""
    return _descriptor(name, dash=0) == 0


def _descriptor(name: str, *, dash: int) -> int | None:
    if name == DASH:
        return dash
    found = _DESCRIPTOR.fullmatch(name)
    return int(found[1]) if found else _STREAMS.get(name)


@contextmanager
def _source(name: str) -> Iterator[IO[bytes]]:
    descriptor = _descriptor(name, dash=0)
    if descriptor is None:
        with opened(Path(name)) as reader:
            yield reader
        return
    descriptors.check(descriptor)
    if os.isatty(descriptor):
        screen.say("Reading what you type here, until Ctrl-D.")
    with os.fdopen(os.dup(descriptor), "rb", READ_SIZE) as reader:
        yield reader


@contextmanager
def _output(name: str, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """Open a new file, or a stream."""
    if not is_stream(name):
        with new_file(Path(name), replace=replace) as writer:
            yield writer
        return
    descriptor = _descriptor(name, dash=1)
    if descriptor is None:
        opened_here = os.open(name, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
    else:
        descriptors.check_output(descriptor)
        opened_here = os.dup(descriptor)
    with Whole(opened_here, "w") as stream:
        stream.label = "stdout" if descriptor == 1 else name
        yield stream


@contextmanager
def _progress(
    label: str, reader: IO[bytes] | Unread, writer: IO[bytes]
) -> Iterator[Progress | None]:
    """Show progress on a terminal that the output does not go to; nothing elsewhere."""
    if size_of(reader) is None or not sys.stderr.isatty() or writer.isatty():
        yield None
        return
    with progress_line(label) as progress:
        yield progress


def _require_another(reader: IO[bytes], target: str) -> None:
    """Raise SameFile if the output is what is backed up."""
    try:
        found = Path(target).stat()
    except OSError:
        return
    if stat.S_ISREG(found.st_mode) and os.path.samestat(found, os.fstat(reader.fileno())):
        raise SameFile(f"{target} is the file to back up.")


def _filled(reader: IO[bytes], target: str) -> IO[bytes] | Unread:
    """Return a reader that has at least one byte, if it is a pipe that replaces an earlier backup.

    Raises:
        NothingToBackUp: the pipe is empty.
    """
    if size_of(reader) is not None or is_stream(target) or not Path(target).exists():
        return reader
    first = reader.read(1)
    if not first:
        raise NothingToBackUp(f"Nothing came through the pipe, so {target} stays as it was.")
    return Unread(first, reader)


def _require_room(writer: IO[bytes], size: int, target: str) -> None:
    if size_of(writer) is None:
        return
    try:
        disk = os.fstatvfs(writer.fileno())
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP):
            return  # some network file systems cannot tell
        raise
    room = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and size > room:
        raise NoRoom(f"{target} needs {_mega(size)}, and its disk has room for {_mega(room)}.")


def _mega(size: int) -> str:
    return f"{-(-size // 1_000_000)} MB"
