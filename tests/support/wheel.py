"""The packages of a wheel, as `pip install` puts them, far from any clone."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from vault_process import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def install_wheel(folder: Path) -> Path:
    """Build a wheel and install it, without its dependencies; return what PYTHONPATH must say."""
    wheels, packages = folder / "wheels", folder / "packages"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--target", str(packages), str(wheel)], check=True)
    return packages
