"""The command `strongroom` while something goes wrong: python odd_command.py ODD ARGUMENTS...

ODD is one of these:

- `cut:CALL`: the vault carries the call out, its answer is lost, and so is the network after it;
- `gone-after:CALL`: the call is answered, and the network goes then;
- `down:CALL`: the network goes before the call is sent;
- `full:NAME`: the disk is full when the private file NAME is written;
- `stall`: decryption stops in the middle, says "stalled" on stdout and waits for a signal;
- `stall-named`: the same where files without a name do not exist.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from strongroom import backup_files, transport
from strongroom.cli import commands
from strongroom.cli.profile import device_folder
from strongroom.errors import VaultUnreachable

if TYPE_CHECKING:
    from pathlib import Path


def cut(name: str, *, is_carried_out: bool) -> None:
    call = transport.Transport.call
    gone = False

    def lossy(self: transport.Transport, request: Any) -> Any:
        nonlocal gone
        is_it = type(request).__name__ == name
        if is_it and not gone and is_carried_out:
            call(self, request)
        gone = gone or is_it
        if gone:
            raise VaultUnreachable
        return call(self, request)

    transport.Transport.call = lossy  # type: ignore[method-assign]


def go_after(name: str) -> None:
    call = transport.Transport.call
    gone = False

    def last(self: transport.Transport, request: Any) -> Any:
        nonlocal gone
        if gone:
            raise VaultUnreachable
        answer = call(self, request)
        gone = type(request).__name__ == name
        return answer

    transport.Transport.call = last  # type: ignore[method-assign]


def fill(name: str) -> None:
    write = device_folder.write_private

    def full(path: Path, text: str) -> None:
        if path.name == name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write(path, text)

    device_folder.write_private = full


def stall(*, has_nameless: bool) -> None:
    if not has_nameless:
        del os.O_TMPFILE
    write_out = backup_files._write_out

    def stalled(descriptor: int) -> None:
        write_out(descriptor)
        os.write(1, b"stalled\n")
        signal.pause()

    backup_files.WRITE_OUT_SIZE = 1  # type: ignore[misc]
    backup_files._write_out = stalled


def main() -> None:
    kind, _, name = sys.argv.pop(1).partition(":")
    match kind:
        case "cut" | "down":
            cut(name, is_carried_out=kind == "cut")
        case "gone-after":
            go_after(name)
        case "full":
            fill(name)
        case "stall" | "stall-named":
            stall(has_nameless=kind == "stall")
        case _:
            raise ValueError(kind)
    commands.main()


if __name__ == "__main__":
    main()
