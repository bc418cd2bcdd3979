"""How the garbage collector is tuned, in a process that nothing else lives in."""

from __future__ import annotations

import subprocess
import sys

TUNED = """
import gc
from strongroom_vault.platform.gc import tune_gc
tune_gc()
print(gc.get_threshold()[0], gc.get_freeze_count() > 1000, gc.isenabled())
"""


def test_what_exists_is_exempt_and_the_rest_is_still_collected() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TUNED], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["10000", "True", "True"]
