"""Reaches Unix sockets at long paths: the kernel's addresses end after 107 bytes.

A longer path is shortened by way of its open folder: `/proc/self/fd/9/admin.sock`.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import reason

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 107
"""Bytes of a path in `sockaddr_un`, without the zero byte at its end."""


@contextmanager
def short_path(path: Path) -> Iterator[Path]:
    """Give a path to the same socket that fits into an address, for the time of the block.

    Raises:
        OperatorError: its folder does not exist, or the socket's name alone is too long.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield path
        return
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise OperatorError(
            f"cannot open the folder of the socket {path}: {reason(error)}"
        ) from error
    try:
        short = Path(f"/proc/self/fd/{folder}") / path.name
        if len(os.fsencode(short)) > LONGEST or not short.parent.is_dir():
            raise OperatorError(f"the path of the socket {path} is too long; name a shorter one")
        yield short
    finally:
        os.close(folder)


def grpc_target(path: Path) -> str:
    """Return a Unix socket as gRPC names it: a URI, in which `#`, `?` and `%` mean other things."""
    return f"unix:{quote(os.fsencode(path))}"
