"""scripts/setup.sh on clones that were cut off, moved and broken; a small project stands for ours.

Its .venv finds pip, the build backend and our packages in the one that runs this; all else is real.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).parents[3]
PYTHON: Final = """#!/bin/sh
# The tests' Python: a .venv that it makes has no pip of its own, and counts.
if [ "$1 $2" = "-m venv" ]; then
    echo made >>made
    '{python}' -m venv --without-pip .venv
    echo '{packages}' >.venv/lib/{version}/site-packages/ours.pth
    exit
fi
exec '{python}' "$@"
"""
PROJECT: Final = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "tiny"
version = "1"
[project.scripts]
tiny = "tiny:main"
[tool.hatch.build]
dev-mode-dirs = ["."]
[tool.hatch.build.targets.wheel]
include = ["tiny.py"]
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "\u00e9in 'klon'"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(REPOSITORY / "scripts" / "setup.sh", folder / "scripts")
    (folder / "pins").mkdir()
    for name in ("vault.txt", "dev.txt"):
        (folder / "pins" / name).touch()
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "tiny.py").write_text("def main() -> None: print('works')\n")
    python = folder / "python"
    python.write_text(
        PYTHON.format(
            python=Path(sys.executable).resolve(),
            packages=sysconfig.get_path("purelib"),
            version=f"python{sys.version_info[0]}.{sys.version_info[1]}",
        )
    )
    python.chmod(0o755)
    return folder


def start(clone: Path, level: str = "vault") -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["scripts/setup.sh", level],
        cwd=clone,
        env={"PATH": os.environ["PATH"], "PYTHON": "./python", "LC_ALL": "C"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def run(clone: Path, level: str = "vault") -> str:
    """Run it to its end, and the program that it has installed."""
    setup = start(clone, level)
    said, _ = setup.communicate(timeout=100)
    assert setup.returncode == 0, said
    assert said.endswith("setup: ready\n")
    tiny = subprocess.run(
        [clone / ".venv/bin/tiny"],
        check=True,
        capture_output=True,
        text=True,
        env={"LC_ALL": "C"},
    )
    assert tiny.stdout == "works\n"
    return said


def times_made(clone: Path) -> int:
    return len((clone / "made").read_text().splitlines())


def test_what_is_done_is_not_done_again(clone: Path) -> None:
    run(clone)
    assert run(clone) == "setup: ready\n"
    assert "installing" in run(clone, "dev")
    assert run(clone, "vault") == run(clone, "dev") == "setup: ready\n"
    (clone / "pins" / "dev.txt").write_text("# other versions\n")
    assert "installing" in run(clone, "dev")
    assert times_made(clone) == 1


def test_two_at_once_make_one(clone: Path) -> None:
    both = [start(clone), start(clone)]
    said = [setup.communicate(timeout=100)[0] for setup in both]
    assert [setup.returncode for setup in both] == [0, 0], said
    assert sum("another setup" in text for text in said) <= 1
    assert times_made(clone) == 1
    run(clone)


def test_one_that_was_killed_is_begun_anew(clone: Path) -> None:
    setup = start(clone)
    while not (clone / ".venv" / "pyvenv.cfg").exists():
        time.sleep(0.01)
    os.killpg(setup.pid, signal.SIGKILL)
    setup.communicate()
    run(clone)
    assert times_made(clone) == 2


def test_one_that_was_moved_or_broken_is_made_anew(clone: Path, tmp_path: Path) -> None:
    run(clone)
    moved = clone.rename(tmp_path / "elsewhere")
    run(moved)
    assert times_made(moved) == 2
    python = moved / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python")  # the system's Python was replaced
    run(moved)
    assert times_made(moved) == 3
    next(moved.glob(".venv/lib/*/site-packages/ours.pth")).unlink()  # packages are gone
    run(moved)
    assert times_made(moved) == 4


def test_who_cannot_install_is_told_everything_at_once(clone: Path, tmp_path: Path) -> None:
    """A machine of Debian's with nothing on it, a user without sudo."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "sed", "tr", "find", "dirname", "cat", "python3"):
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    for name, said in (("id", "1000"), ("apt-get", "never called")):
        (programs / name).write_text(f"#!/bin/sh\necho {said}\n")
        (programs / name).chmod(0o755)
    done = subprocess.run(
        ["scripts/setup.sh", "dev"],
        cwd=clone,
        env={"PATH": str(programs), "PYTHON": "./python"},
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (command,) = (line for line in done.stderr.splitlines() if "apt-get install" in line)
    assert {"softhsm2", "libnss3-tools", "gcc", "prometheus", "systemd"} <= set(command.split())
    assert not (clone / ".venv").exists()
