"""What commands write: rows, warnings, and whether there is anywhere to write to."""

from __future__ import annotations

import sys
from typing import Final

from strongroom.cli import backups
from strongroom.cli.screen import say, show
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.terminal import streams

NAME_WIDTH: Final = 10


class NoOutput(StrongroomError):
    """What would be printed has nowhere to go."""

    message = "The standard output is closed, so nothing can be written to it."


def require_stdout(target: str) -> None:
    """Raise NoOutput if `target` is the standard output, and that is closed."""
    if target == backups.DASH and not streams.can_be_written(sys.stdout):
        raise NoOutput


def row(name: str, text: str) -> None:
    """Show a name and what belongs to it."""
    show(f"{name:<{NAME_WIDTH}}{text}", indent=NAME_WIDTH)


def warn(text: str) -> None:
    """Print a warning, if there is one."""
    if text:
        say(f"\nWARNING: {text}")
