"""What the kernel says of a process that hardened itself."""

from __future__ import annotations

import subprocess
import sys

HARDENED = """
import resource, sys
from pathlib import Path
from strongroom_vault.platform.hardening import harden
harden()
print(resource.getrlimit(resource.RLIMIT_CORE))
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
print(soft == hard)
print("NoNewPrivs:\\t1" in Path("/proc/self/status").read_text())
import ctypes
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


def test_no_dumps_no_debuggers_no_privileges_and_all_files() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HARDENED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["(0, 0)", "True", "True", "0"]
