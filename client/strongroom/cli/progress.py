"""Progress on the terminal, for what takes more than a moment."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from strongroom.causes import UnreachableCause
from strongroom.cli.screen import columns, say
from strongroom.errors import VaultUnreachable
from strongroom_protocol.opaque.ksf import RFC9106_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom_protocol.errors import StrongroomError
    from strongroom_protocol.opaque.ksf import Argon2id

NOTICEABLE: Final = 4 * RFC9106_SECOND.memory_kib * RFC9106_SECOND.passes
"""KiB times passes from which on a person waits for seconds."""
PERIOD_S: Final = 1.0
SILENCE_S: Final = 3.0
"""Seconds after which a person wants to know what the command is waiting for."""
TRYING: Final = "Trying again for a while; Ctrl-C ends that."
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


class Patience:
    """Says on a terminal that the command is waiting for the vault, and why once that is known.

    As a context: while it is open, a vault that says nothing for three seconds is spoken of. The
    first try alone takes far longer.
    """

    def __init__(self, say: Callable[[str], None], address: str) -> None:
        self._say = say
        self._address = address
        self._is_silence_told = self._is_reason_told = not sys.stderr.isatty()
        self._timer: threading.Timer | None = None

    def retrying(self, error: StrongroomError) -> None:
        """Say why there was no answer to a request that is sent again."""
        is_known = isinstance(error, VaultUnreachable) and error.cause is UnreachableCause.NO_ANSWER
        if not self._is_reason_told and not (self._is_silence_told and is_known):
            self._is_reason_told = self._is_silence_told = True
            self._say(f"{error} {TRYING}")

    @contextmanager
    def stretching(self, parameters: Argon2id) -> Iterator[None]:
        """Do not take this device's own work for the vault's silence."""
        self._stop()
        try:
            with while_stretching(parameters):
                yield
        finally:
            self._start()

    def __enter__(self) -> None:
        self._start()

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _start(self) -> None:
        if self._is_silence_told:
            return
        self._timer = threading.Timer(SILENCE_S, self._tell_silence)
        self._timer.daemon = True
        with suppress(RuntimeError):  # the system gives no thread
            self._timer.start()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tell_silence(self) -> None:
        if not self._is_silence_told:
            self._is_silence_told = True
            self._say(f"The vault at {self._address} has not answered yet. {TRYING}")


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
