"""New files that appear complete or not at all, and never over another file.

Where the system can, the draft has no name: whatever ends the process, kill -9 and a power cut too,
nothing of it stays. Elsewhere it has a name beginning with ".strongroom-" until it is complete.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from strongroom.errors import OutputExists

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PREFIX: Final = ".strongroom-"
_NEEDS_A_NAME: Final = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT)
"""What systems and file systems without nameless files answer."""
_HAS_NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file of mode 0600 that takes its name at the end of the block, when it is on disk.

    It is open from the start, so a folder that cannot be written is known before any work.

    Raises:
        OutputExists: there is something of this name, now or at the end.
        OSError: the folder is missing or cannot be written, or the name cannot be used in it.
    """
    require_free(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _draft(path, folder) as (descriptor, take_name):
            with os.fdopen(descriptor, "wb", closefd=False) as file:
                yield file
            os.fsync(descriptor)
            try:
                take_name()
            except FileExistsError:
                raise OutputExists(path) from None
            os.fsync(folder)
    finally:
        os.close(folder)


def require_free(path: Path) -> None:
    """Raise OutputExists where there is something of this name, a dangling link too."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    raise OutputExists(path)


@contextmanager
def _draft(path: Path, folder: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield a descriptor and what gives it its name."""
    descriptor = _nameless(path.parent)
    if descriptor is None:
        with _named(path, folder) as draft:
            yield draft
        return

    def take_name() -> None:
        # With a folder's descriptor Python follows the link in /proc; without one it does not.
        source = _in_proc(descriptor)
        os.link(source, path.name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)

    try:
        yield descriptor, take_name
    finally:
        os.close(descriptor)


def _nameless(folder: Path) -> int | None:
    """Return a descriptor of a file without a name, None where the system has none."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in _NEEDS_A_NAME:
            return None
        raise
    if os.path.lexists(_in_proc(descriptor)):
        return descriptor
    os.close(descriptor)  # it could not be given a name
    return None


@contextmanager
def _named(path: Path, folder: int) -> Iterator[tuple[int, Callable[[], None]]]:
    name = PREFIX + secrets.token_hex(8)
    draft = path.parent / name
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def take_name() -> None:
        try:
            os.link(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _HAS_NO_LINKS:
                raise
            require_free(path)
            os.rename(name, path.name, src_dir_fd=folder, dst_dir_fd=folder)

    try:
        yield descriptor, take_name
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _in_proc(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
