"""Progress on the terminal, for what takes more than a moment."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from strongroom.cli.screen import columns, say
from strongroom_protocol.opaque.ksf import RFC9106_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom_protocol.errors import StrongroomError
    from strongroom_protocol.opaque.ksf import Argon2id

NOTICEABLE: Final = 4 * RFC9106_SECOND.memory_kib * RFC9106_SECOND.passes
"""KiB times passes from which on a person waits for seconds."""
PERIOD_S: Final = 1.0
_MEGA: Final = 1_000_000


@contextmanager
def while_stretching(parameters: Argon2id) -> Iterator[None]:
    """Say why it takes long; on a terminal, count the seconds until it is done."""
    if parameters.memory_kib * parameters.passes < NOTICEABLE:
        yield
        return
    say(
        f"Working on the password as this vault asks: {parameters.memory_kib // 1024} MiB,"
        f" {parameters.passes} times over.\nA slow device needs a minute or more."
    )
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    line = threading.Thread(target=_count, args=(done,), daemon=True)
    line.start()
    try:
        yield
    finally:
        done.set()
        line.join()


def while_retrying(say: Callable[[str], None]) -> Callable[[StrongroomError], None]:
    """Return a callback that says once, and only on a terminal, why the command is waiting."""
    is_told = False

    def tell(error: StrongroomError) -> None:
        nonlocal is_told
        if not is_told and sys.stderr.isatty():
            say(f"{error} Trying again for a while; Ctrl-C ends that.")
        is_told = True

    return tell


@contextmanager
def progress_line(label: str) -> Iterator[Callable[[int, int], None]]:
    """One line of the terminal that shows progress; call it with bytes done and bytes in all.

    It is cut to the terminal's width at that moment, so it never takes a second line.
    """
    last = ""

    def show(done: int, total: int) -> None:
        nonlocal last
        percent = 100 * done // total if total else 100
        size = f" of {total // _MEGA} MB" if total >= _MEGA else ""
        text = f"{label} {percent:3}%{size}"
        if text != last:
            last = text
            # In the last column the cursor would go on to the next line.
            room = int(min(columns(sys.stderr), len(text) + 1)) - 1
            click.echo(f"\r\x1b[K{text[:room]}", nl=False, err=True)

    try:
        yield show
    finally:
        click.echo(err=True)


def _count(done: threading.Event) -> None:
    """Keep one line up to date, and erase it at the end."""
    began = time.monotonic()
    while not done.wait(PERIOD_S):
        click.echo(f"\r  {time.monotonic() - began:.0f} s ", nl=False, err=True)
    click.echo("\r\x1b[K", nl=False, err=True)
