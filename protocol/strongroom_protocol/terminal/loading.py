"""The first lines of a command, while its modules load.

Loading takes some tenths of a second, in which Python would answer Ctrl-C with a traceback. Nothing
is held yet, so nothing has to be put away. A command that was installed without its extra says how
to install it. This module imports next to nothing, so that it comes first.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

INTERRUPTED = 130
"""The exit code of what Ctrl-C ended, as shells count: 128 and the signal's number."""


class Loading:
    """A block that imports a command: Ctrl-C ends it without a word, a missing extra with one.

    Args:
        program: the command's name.
        extra: the extra of the package that has what the command needs.
        modules: what that extra brings, as it is imported. Any other missing module is a fault.
    """

    def __init__(self, program: str, extra: str, modules: Collection[str]) -> None:
        self._program = program
        self._extra = extra
        self._modules = modules

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it may be ignored
            signal.signal(signal.SIGINT, _end)

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ModuleNotFoundError) and error.name in self._modules:
            sys.exit(
                f"{self._program}: this command needs more than was installed ({error.name} is"
                f" missing). Install it with: pip install 'strongroom[{self._extra}]'"
            )
        if signal.getsignal(signal.SIGINT) is _end:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_number: int, _frame: object) -> None:
    os._exit(INTERRUPTED)
