"""File descriptors that a script names: whether they are open, and the lines that they give."""

from __future__ import annotations

import fcntl
import os
import select
from typing import Final

from strongroom.errors import PasswordRefused
from strongroom_protocol.errors import StrongroomError

MAX_LINE: Final = 64 * 1024
_MORE_MS: Final = 500
"""How long a line's writer may take to say that nothing more comes: it may leave its pipe open."""


class BadDescriptor(StrongroomError):
    """A script named a file descriptor that cannot be read."""

    hint = "Open it in the shell: strongroom ... --password-fd 3 3<password-file."


class NotOneLine(PasswordRefused):
    """A script gives more than a password."""

    message = "A password is one line, and more than one line was given."
    hint = "No attempt was used. Give the password alone, with nothing before or after it."


def check(*descriptors: int | None) -> None:
    """Check that descriptors can be read, before anything is done.

    Raises:
        BadDescriptor: one of them is not open for reading.
    """
    for descriptor in descriptors:
        if descriptor is not None and _mode(descriptor) == os.O_WRONLY:
            raise BadDescriptor(f"The file descriptor {descriptor} is only open for writing.")


def check_output(descriptor: int) -> None:
    """Check that a descriptor can be written. Raises BadDescriptor."""
    if _mode(descriptor) == os.O_RDONLY:
        raise BadDescriptor(f"The file descriptor {descriptor} is only open for reading.")


def _mode(descriptor: int) -> int:
    """Return the access mode of a descriptor that this command inherited.

    This process may have opened a file of its own under the number that a script named. Those are
    close-on-exec; inherited ones are not.
    """
    try:
        is_ours = fcntl.fcntl(descriptor, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except (OSError, OverflowError, ValueError) as error:
        raise BadDescriptor(f"The file descriptor {descriptor} is not open.") from error
    if is_ours:
        raise BadDescriptor(f"The file descriptor {descriptor} is not open.")
    return mode


def read_password(descriptor: int, *, is_alone: bool = True) -> str:
    """Return the line that a script gives, without its end.

    Args:
        descriptor: a file, a pipe or a terminal.
        is_alone: whether nothing but empty lines may follow. A pipe that stays open is waited for
            half a second, a terminal not at all.

    Raises:
        NotOneLine: something follows.
        PasswordRefused: it is not UTF-8, or has no end.
        OSError: it cannot be read; the error names the descriptor.
    """
    line = read_line(descriptor)
    if is_alone and line.endswith("\n") and _goes_on(descriptor):
        raise NotOneLine
    return line.rstrip("\r\n")


def read_line(descriptor: int) -> str:
    """Return the next line with its end, empty at the end of the file. Raises as above."""
    data = b""
    while not data.endswith(b"\n"):
        part = _read_byte(descriptor)
        if not part:
            break
        data += part
        if len(data) > MAX_LINE:
            raise PasswordRefused("This cannot be a password: its line has no end.")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise PasswordRefused("The password is not UTF-8 text.") from None


def _goes_on(descriptor: int) -> bool:
    """Whether anything but empty lines follows."""
    if os.isatty(descriptor):
        return False
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    for _ in range(MAX_LINE):
        if not waiting.poll(_MORE_MS):
            return False
        part = _read_byte(descriptor)
        if part not in (b"\r", b"\n"):
            return bool(part)
    return True


def _read_byte(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, 1)
        except BlockingIOError:  # it was opened not to wait
            select.select([descriptor], [], [])
        except OSError as error:
            error.filename = f"file descriptor {descriptor}"
            raise
