"""The bench's C programs, built with the system's compiler where there is one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path


def build(source: str, folder: Path, *options: str) -> Path | None:
    """Compile a source of this folder into `folder`; None, and a word on it, without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        print(f"no C compiler: {source} is left out", file=sys.stderr)
        return None
    target = folder / source.removesuffix(".c")
    command: list[str | Path] = [
        compiler,
        "-O2",
        *options,
        "-o",
        target,
        Path(__file__).with_name(source),
        "-ldl",
    ]
    subprocess.run(command, check=True)
    return target
