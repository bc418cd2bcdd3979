"""Files whose modes matter: secrets that nobody else may read, trust that nobody else may write.

Files written here appear whole or not at all, and are on disk once the call returns.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DRAFT: Final = ".draft-"
_OTHERS: Final = 0o077
_OTHERS_OF_A_CREDENTIAL: Final = 0o037
"""systemd may show a credential as readable by a group, which stands for an access control list."""
_OTHERS_WRITE: Final = 0o022


def is_open_to_others(path: Path) -> bool:
    """Whether somebody but the owner can read, write or execute a file with a secret.

    Raises:
        OperatorError: there is no such path.
    """
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    is_credential = credentials is not None and path.is_relative_to(Path(credentials))
    return bool(_mode(path) & (_OTHERS_OF_A_CREDENTIAL if is_credential else _OTHERS))


def others_can_write(path: Path) -> bool:
    """Whether somebody but the owner can change a file, or what a folder has.

    Raises:
        OperatorError: there is no such path.
    """
    return bool(_mode(path) & _OTHERS_WRITE)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet.

    Raises:
        OSError: it is there, or cannot be written.
    """
    with _draft(path, data, mode) as draft:
        os.link(draft, path)  # unlike a rename, this never takes another file's place


def replace(path: Path, data: bytes, mode: int) -> None:
    """Write a file in place of the one that is there, if there is one.

    Raises:
        OSError: it cannot be written; what was there is unchanged.
    """
    with _draft(path, data, mode) as draft:
        draft.rename(path)


@contextmanager
def _draft(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """Give a complete file beside `path`; it is gone afterwards, unless it was renamed."""
    draft = path.with_name(f"{_DRAFT}{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def remove_drafts(folder: Path) -> None:
    """Remove what a killed process left half written. Nobody may be writing here now."""
    for draft in folder.glob(f"{_DRAFT}*"):
        draft.unlink()


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to disk."""
    _sync(folder, os.O_DIRECTORY)


def sync_tree(folder: Path) -> None:
    """Bring everything below a folder to disk, for programs that do not."""
    for path in folder.rglob("*"):
        _sync(path)


def _sync(path: Path, flags: int = 0) -> None:
    descriptor = os.open(path, os.O_RDONLY | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reason(error: Exception, known: Path | None = None) -> str:
    """Return what an error says, as part of a sentence; `known` is a path that need not be named.

    Of an OSError, that leaves out its number.
    """
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    is_known = error.filename is None or error.filename == str(known)
    return error.strerror if is_known else f"{error.filename}: {error.strerror}"


def exists(path: Path, source: str = "") -> bool:
    """Whether there is anything at a path; `source` is the setting that names it, for errors.

    Raises:
        OperatorError: this user may not look there.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        where = f"{source}: " if source else ""
        raise OperatorError(f"{where}cannot read {path}: {error.strerror}") from error
    return True


def kind_of(mode: int) -> str:
    """Return what a path with this `st_mode` is, if it is not a regular file, for a sentence."""
    return "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError as error:
        raise OperatorError(f"{path} does not exist") from error
    except OSError as error:
        raise OperatorError(f"cannot read {path}: {error.strerror}") from error
