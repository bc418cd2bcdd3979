"""Reports an uncaught error by its name and places alone.

Its message and the source lines, which Python would print, might hold a secret value.
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


def report_to(report: Callable[[str, list[str]], None]) -> None:
    """Call `report` with name and places of every uncaught error of this process."""

    def uncaught(kind: type[BaseException], _: object, trace: TracebackType | None) -> None:
        report(kind.__name__, places(trace))

    def uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
        uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    def unraisable(args: sys.UnraisableHookArgs) -> None:
        uncaught(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = unraisable
