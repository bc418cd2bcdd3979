"""`strongroom-vault init --new` cut off after each of its steps in turn, and done again.

python cut_new.py FOLDER; prints how many places it was cut off at. What a cut left, file by file,
must be as it was after the second run.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

from strongroom_vault.operator import issuer, new_vault
from strongroom_vault.settings import loading

STEPS: Final = ("os.mkdir", "os.rename", "os.link", "os.remove", "subprocess.Popen")
"""What Python's audit hooks call the steps that change a folder."""
CHOICE: Final = new_vault.Choice(
    "vault.test", "localhost:47443", is_self_signed=True, has_own_issuer=True
)


def make(folder: Path, steps: int) -> int:
    """Make a vault in a process of its own, killed at its last step; return the exit status."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    taken = 0

    def count(event: str, _arguments: object) -> None:
        nonlocal taken
        if event in STEPS:
            taken += 1
            if taken == steps:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    new_vault.make(folder, CHOICE)
    os._exit(0)


def contents(folder: Path) -> dict[str, bytes]:
    """Every whole file; drafts have names that begin with a dot."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("[!.]*")
        if path.is_file() and ".token-draft" not in str(path)
    }


def main(base: Path) -> None:
    """Cut it off after one step, two steps, and so on, until it is not cut off any more."""
    steps = 0
    while True:
        steps += 1
        folder = base / str(steps)
        was_cut = make(folder, steps) != 0
        left = contents(folder) if folder.exists() else {}
        if make(folder, 0) != 0:
            sys.exit(f"cut off at step {steps}, it cannot be done again")
        whole = contents(folder)
        if changed := [name for name, data in left.items() if whole[name] != data]:
            sys.exit(f"cut off at step {steps}, {changed} were made anew")
        if rest := [path.name for path in folder.iterdir() if path.name.startswith(".")]:
            sys.exit(f"cut off at step {steps}, {rest} are left")
        loading.load(folder / new_vault.SETTINGS_FILE, {})
        issuer.issue(folder, "vault.test", "alice", "read", 60)
        if not was_cut:
            print(steps - 1)  # noqa: T201 -- this is its answer
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
