"""A Python program in a process of its own, with little of something."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial


def run_limited(code: str, address_space: int | None = None, stack: int | None = None) -> str:
    """Run `code` with limits in bytes; return what it printed. Its failure is the test's."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=partial(_limit, address_space, stack),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _limit(address_space: int | None, stack: int | None) -> None:
    for kind, size in ((resource.RLIMIT_STACK, stack), (resource.RLIMIT_AS, address_space)):
        if size is not None:
            resource.setrlimit(kind, (size, resource.getrlimit(kind)[1]))
