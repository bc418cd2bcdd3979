"""Private files that appear complete or not at all, and are on disk then.

Where the system can, the draft has no name: whatever ends the process, kill -9 and a power cut too,
nothing of it stays. Elsewhere it has a name beginning with ".strongroom-" until it is complete.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
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
def new_file(path: Path, *, replace: bool = False) -> Iterator[IO[bytes]]:
    """A file of mode 0600 that takes its name at the end of the block, when it is on disk.

    It is open from the start, so a folder that cannot be written is known before any work.

    Args:
        path: where it goes.
        replace: whether it takes the place of a file of this name, with that one's mode. Until then
            the earlier file stays as it is. A link stays one, and what it leads to is replaced.

    Raises:
        OutputExists: there is something of this name, now or at the end.
        OSError: the folder is missing or cannot be written, or the name cannot be used in it.
    """
    earlier = _file_in_the_way(path) if replace else None
    if earlier is None:
        require_free(path)
    else:
        path = path.resolve()
    with _opened(path.parent) as folder, _draft(path, folder) as (descriptor, take_name):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            yield file
        if earlier is not None:
            os.fchmod(descriptor, earlier.st_mode & 0o777)
        os.fsync(descriptor)
        if earlier is not None:
            _replace(path.name, folder, take_name)
        else:
            try:
                take_name(path.name)
            except FileExistsError:
                raise OutputExists(path) from None
        os.fsync(folder)


def write_private(path: Path, data: bytes) -> None:
    """Write a small file of mode 0600 in place of whatever has this name.

    A link is replaced too, and not what it leads to: whoever made the link has no say in where a
    secret goes.

    Raises:
        OSError: it cannot be written; what was there is as it was.
    """
    with _opened(path.parent) as folder, _draft(path, folder) as (descriptor, take_name):
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(descriptor)
        _replace(path.name, folder, take_name)
        os.fsync(folder)


def remove(path: Path) -> None:
    """Remove a file if it is there, for good even if the power fails now."""
    path.unlink(missing_ok=True)
    with _opened(path.parent) as folder:
        os.fsync(folder)


def require_free(path: Path) -> None:
    """Raise OutputExists where there is something of this name, a dangling link too."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
    raise OutputExists(path)


def _file_in_the_way(path: Path) -> os.stat_result | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _replace(name: str, folder: int, take_name: Callable[[str], None]) -> None:
    """Put the draft in the place of a file; what has no name gets one of its own first."""
    draft = _name_of_draft()
    take_name(draft)
    try:
        os.rename(draft, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(draft, dir_fd=folder)
        raise


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    """A folder's descriptor: a name is on disk only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _draft(path: Path, folder: int) -> Iterator[tuple[int, Callable[[str], None]]]:
    """Yield a descriptor and what gives it its name."""
    descriptor = _nameless(path.parent)
    if descriptor is None:
        with _named(path, folder) as draft:
            yield draft
        return

    def take_name(name: str) -> None:
        # With a folder's descriptor Python follows the link in /proc; without one it does not.
        source = _in_proc(descriptor)
        os.link(source, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=True)

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
def _named(path: Path, folder: int) -> Iterator[tuple[int, Callable[[str], None]]]:
    own_name = _name_of_draft()
    draft = path.parent / own_name
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def take_name(name: str) -> None:
        try:
            os.link(own_name, name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno not in _HAS_NO_LINKS:
                raise
            require_free(path.with_name(name))
            os.rename(own_name, name, src_dir_fd=folder, dst_dir_fd=folder)

    try:
        yield descriptor, take_name
    finally:
        os.close(descriptor)
        with suppress(FileNotFoundError):
            os.unlink(own_name, dir_fd=folder)


def _name_of_draft() -> str:
    return PREFIX + secrets.token_hex(8)


def _in_proc(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
