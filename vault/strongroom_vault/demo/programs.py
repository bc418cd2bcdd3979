"""Runs the story's programs: shows each command and its output, and checks its exit code."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from strongroom_vault.demo import screen
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


ATTEMPTS: Final = 3
ATTEMPT_LIMIT: Final = "STRONGROOM_VAULT_VAULT_ATTEMPT_LIMIT"


class NotAsItShouldBe(OperatorError):
    """A step did not go as the story goes."""


def check(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like assert
    """End the demo unless `is_so`."""
    if not is_so:
        raise NotAsItShouldBe(otherwise)


def python_program(package: str) -> list[str]:
    """Return the words that run one of our commands with this Python, wherever it is installed."""
    return [sys.executable, "-P", "-c", f"from {package}.__main__ import main; main()"]


def own_environment() -> dict[str, str]:
    """Return the environment without this person's settings of Strongroom and gRPC, and no proxy.

    The story never leaves this machine.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("STRONGROOM_", "GRPC_")) and not name.lower().endswith("_proxy")
    }


def run(
    words: list[str],
    folder: Path,
    environment: Mapping[str, str],
    descriptors: tuple[int, ...] = (),
) -> tuple[int, str]:
    """Run a program; return its exit code and what it has printed, stdout and stderr together."""
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment,
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout.strip("\n")


def operate(folder: Path, *arguments: str, exit_code: int = 0) -> str:
    """Run `strongroom-vault` in a vault's folder, as its operator; return what it has printed."""
    screen.command(folder.name, f"strongroom-vault {shlex.join(arguments)}")
    words = [*python_program("strongroom_vault"), *arguments]
    return shown(run(words, folder, operators_environment()), exit_code)


def shell(folder: Path, line: str) -> str:
    """Run a line of the shell in somebody's folder; return what it has printed."""
    screen.command(folder.name, line)
    return shown(run(["sh", "-c", line], folder, own_environment()), 0)


def shown(done: tuple[int, str], exit_code: int) -> str:
    """Show what a program printed; end the demo unless its exit code is the expected one."""
    code, printed = done
    screen.output(printed)
    check(code == exit_code, f"the demo ends here: exit code {code}, not {exit_code}")
    return printed


def operators_environment() -> dict[str, str]:
    """Return the environment of whoever runs a vault."""
    return {
        **own_environment(),
        ATTEMPT_LIMIT: str(ATTEMPTS),
        "STRONGROOM_VAULT_TOKEN_WORKERS": "1",
    }
