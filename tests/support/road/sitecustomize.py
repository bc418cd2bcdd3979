"""Writes down when some functions are called: for a Python that finds this folder in PYTHONPATH.

ROAD_NAMES has the functions, `module:qualified name`, a line each. ROAD_FOLDER is where each
process writes a file of lines: monotonic time in ns, module:name.
"""

from __future__ import annotations

import os
import sys
import threading
import time

TYPE_CHECKING = False  # typing would load in every process
if TYPE_CHECKING:
    from types import FrameType

_NAMES = frozenset(os.environ.get("ROAD_NAMES", "").split("\n"))
_FOLDER = os.environ.get("ROAD_FOLDER")


def _module(frame: FrameType) -> object:
    spec = frame.f_globals.get("__spec__")
    return spec.name if spec is not None else frame.f_globals.get("__name__")


def _profile(frame: FrameType, event: str, _argument: object) -> None:
    if event == "call":
        name = f"{_module(frame)}:{frame.f_code.co_qualname}"
        if name in _NAMES:
            os.write(_FILE, f"{time.monotonic_ns()} {name}\n".encode())


if _FOLDER is not None:
    _FILE = os.open(
        os.path.join(_FOLDER, str(os.getpid())),  # noqa: PTH118 -- pathlib takes a while to load
        os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
        0o600,
    )
    threading.setprofile(_profile)
    sys.setprofile(_profile)
