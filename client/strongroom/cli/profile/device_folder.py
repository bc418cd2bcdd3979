"""The folder with this device's profiles and keys, and the small private files in it.

It is $STRONGROOM_HOME, or the platform's folder for settings. Files that others can change or read
are refused: who can write a profile chooses the vault, who can read a key opens the backups.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from strongroom import drafts
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_FILE: Final = 256 * 1024
_OTHERS: Final = 0o077
_OTHERS_WRITE: Final = 0o022


class HomeUnusable(StrongroomError):
    """A file or folder of the home cannot be used; the message says which and why."""

    hint = "Fix or remove the file."


class HomeNotWritable(HomeUnusable):
    """Nothing can be stored in the home."""

    hint = "Make room, fix the permissions, or name another folder in STRONGROOM_HOME."


def home_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the profiles."""
    named = environment.get("STRONGROOM_HOME")
    return Path(named) if named else Path(click.get_app_dir("strongroom"))


def check_folder(folder: Path) -> None:
    """Refuse a folder in which others can create files. A missing one is accepted.

    Raises:
        HomeUnusable: it is not a folder that only this user can write.
    """
    try:
        found = folder.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise HomeUnusable(f"The folder {folder} cannot be used: {error.strerror}.") from error
    if not stat.S_ISDIR(found.st_mode):
        raise HomeUnusable(f"{folder} should be a folder, but is not.")
    _check_owner(folder, found)
    if found.st_mode & _OTHERS_WRITE:
        raise HomeUnusable(
            f"Others can write in {folder}, where this device keeps its keys;"
            f" run: chmod go-w {folder}"
        )


def prove_writable(folder: Path) -> None:
    """Create the folder if it is missing, and write and remove a file in it.

    Raises:
        HomeNotWritable: one of these failed; the message says why.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        proof = folder / f"{drafts.PREFIX}{secrets.token_hex(8)}"
        drafts.write_private(proof, secrets.token_bytes(512))
        proof.unlink()
    except OSError as error:
        raise HomeNotWritable(f"Nothing can be kept in {folder}: {error.strerror}.") from error


def read_private(path: Path, *, is_secret: bool) -> str | None:
    """Return the text of a small file that only this user can write, None if it is missing.

    Args:
        path: a regular file; a link is refused, for its target may be outside the checked folder.
        is_secret: whether others must not be able to read it either.

    Raises:
        HomeUnusable: it cannot be read, or others could have written it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise HomeUnusable(f"{path} cannot be read: {why}.") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise HomeUnusable(f"{path} should be a file, but is not.")
        _check_owner(path, found)
        _check_mode(path, found, is_secret=is_secret)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_FILE:
        raise HomeUnusable(f"{path} is too large to be what it should be.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise HomeUnusable(f"{path} is not UTF-8 text.") from error
    if "\0" in text:
        raise HomeUnusable(f"{path} contains zero bytes: it is damaged.")
    return text


def write_private(path: Path, text: str) -> None:
    """Write a file as `drafts.write_private` does; create its folder if it is missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    drafts.write_private(path, text.encode())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one command at a time change the folder. Held for moments, never during a prompt."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise HomeUnusable(f"{path} belongs to another user.")


def _check_mode(path: Path, found: os.stat_result, *, is_secret: bool) -> None:
    if is_secret and found.st_mode & _OTHERS:
        raise HomeUnusable(
            f"Others can read {path}, which holds the backup key; run: chmod 600 {path}"
        )
    if found.st_mode & _OTHERS_WRITE:
        raise HomeUnusable(
            f"Others can write {path}, so it cannot be trusted. Check what it says, then"
            f" run: chmod 600 {path}"
        )
