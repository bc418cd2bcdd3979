"""`strongroom-vault demo`: the whole story on this machine, with the real commands and a real file.

Each step is shown as a person would see it, and checked; the first one that goes wrong ends the
demo. `scenes` is the story, `throwaway` the vault, `people` its users, and `stolen` what a thief
finds in its database. `programs` runs the commands, and `screen` shows them. Runs in the process of
one command, and everything that it starts is a process of its own.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom_vault.demo import scenes, screen
from strongroom_vault.demo.throwaway import ThrowAwayVault
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.softhsm import usable_tmp
from strongroom_vault.platform.files import reason

if TYPE_CHECKING:
    from types import FrameType


def play() -> None:
    """Play the story in a folder of its own, and leave nothing behind, also at Ctrl-C.

    Raises:
        OperatorError: the machine lacks something, or a step went wrong.
        OSError: stdout takes no more.
    """
    began = time.monotonic()
    os.umask(0o077)
    _end_in_order()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="strongroom-demo-", dir=usable_tmp()) as name,
            ThrowAwayVault(Path(name) / "vault") as vault,
        ):
            scenes.play(Path(name), vault)
    except OSError as error:
        if error.filename == "stdout":
            raise
        raise OperatorError(f"the demo cannot go on: {reason(error)}") from error
    except SystemExit:
        click.echo("\nstrongroom-vault: the demo was interrupted; nothing of it is left", err=True)
        raise
    screen.tell(f"Everything is as it should be. ({time.monotonic() - began:.0f} s)")
    screen.tell("A vault of your own to try things with: strongroom-vault dev")


def _end_in_order() -> None:
    """Clean up at Ctrl-C or at the end of the session, and let no second signal interrupt that."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> None:
        for other in numbers:
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, end)
