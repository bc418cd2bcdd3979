"""Locks between processes that the kernel drops when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path


def lock_exclusively(path: Path, otherwise: str, *, create: bool = False, source: str = "") -> int:
    """Return a descriptor that holds the lock on a file until it is closed.

    Args:
        path: of the file.
        otherwise: what is said if another process has the lock.
        create: make the file if it is missing.
        source: the setting that the path comes from, for errors.

    Raises:
        OperatorError: another process has it, or the file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT if create else os.O_RDONLY
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        where = f"{source}: " if source else ""
        raise OperatorError(f"{where}cannot open {path}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OperatorError(otherwise) from error
    return descriptor
