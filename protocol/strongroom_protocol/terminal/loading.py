"""The first lines of a command: Ctrl-C while it still loads ends it without a word.

Loading takes some tenths of a second, in which Python would answer with a traceback. Nothing is
held yet, so nothing has to be put away. It imports next to nothing, so that it comes first.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells count: 128 and the signal's number."""


def begin_loading() -> None:
    """End quietly at Ctrl-C, until `end_loading`; where Ctrl-C is ignored, it stays so."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def end_loading() -> None:
    """Ctrl-C is a KeyboardInterrupt from now on."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)
