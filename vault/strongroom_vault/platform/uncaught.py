"""What Python would print of an error that nobody caught: its name and where, in one line.

No message and no source line, for they might hold a value that is secret.
"""

from __future__ import annotations

import sys
import threading
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


def places(trace: TracebackType | None) -> list[str]:
    """Return the lines that a traceback names, as file:number."""
    frames = traceback.extract_tb(trace)
    return [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}" for frame in frames]


def report_to(say: Callable[[str, list[str]], None]) -> None:
    """Have `say` called with name and places, in this process, whoever lets an error fall."""

    def fallen(kind: type[BaseException], _: object, trace: TracebackType | None) -> None:
        say(kind.__name__, places(trace))

    def fallen_in_thread(args: threading.ExceptHookArgs) -> None:
        fallen(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        fallen(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = fallen
    threading.excepthook = fallen_in_thread
    sys.unraisablehook = unraisable
