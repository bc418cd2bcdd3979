"""Locks that one holder has at a time, and that a dead one loses."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.locks import lock_exclusively

DYING = """
import os, sys
from pathlib import Path
from strongroom_vault.platform.locks import lock_exclusively
lock_exclusively(Path(sys.argv[1]), "taken", create=True)
os._exit(7)
"""


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_second_holder_is_told_what_the_first_one_is(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.touch()
    first = lock_exclusively(path, "another vault runs")
    files = open_files()
    with pytest.raises(OperatorError, match="another vault runs"):
        lock_exclusively(path, "another vault runs")
    assert open_files() == files  # the refused one keeps no descriptor
    os.close(first)
    os.close(lock_exclusively(path, "another vault runs"))


def test_a_holder_that_dies_loses_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    done = subprocess.run([sys.executable, "-c", DYING, str(path)], check=False, timeout=60)
    assert done.returncode == 7
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    os.close(lock_exclusively(path, "taken"))


def test_a_file_that_is_missing_is_made_only_if_it_is_to_be(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"cannot open .*lock"):
        lock_exclusively(tmp_path / "lock", "taken")
    assert not (tmp_path / "lock").exists()
