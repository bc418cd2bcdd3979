"""Runs several commands of `strongroom-vault` in one process, which is cheaper than one for each.

A program: it takes a list of argument lists as JSON on stdin and prints [code, stdout, stderr] of
each as a line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_process import VaultFolder


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def report(self) -> Any:
        """What a successful command has said under --json: JSON on stdout alone."""
        assert (self.code, self.stderr) == (0, "")
        lines = [json.loads(line) for line in self.stdout.splitlines()]
        return lines[0] if len(lines) == 1 else lines

    @property
    def refusal(self) -> dict[str, Any]:
        """What a command has said that failed, under --json."""
        (line,) = self.stderr.splitlines()
        refusal: dict[str, Any] = json.loads(line)
        assert set(refusal) == {"error", "hint", "exit_code"}
        assert refusal["exit_code"] == self.code != 0
        return refusal


def run(folder: VaultFolder, *commands: str, **environment: str) -> list[Done]:
    """Run commands, one after the other, with the settings and the token of a vault."""
    given = {**folder.environment(), "STRONGROOM_VAULT_CONFIG": str(folder.settings_file)}
    done = subprocess.run(
        [sys.executable, __file__],
        env={**given, **environment},
        input=json.dumps([command.split() for command in commands]),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=240,
    )
    return [Done(*json.loads(line)) for line in done.stdout.splitlines()]


def _run(arguments: list[str]) -> list[int | str]:
    from strongroom_vault.cli import commands  # noqa: PLC0415 -- the tests' own process needs it not

    stdout, stderr = _stream(), _stream()
    sys.argv = ["strongroom-vault", *arguments]
    with redirect_stdout(stdout), redirect_stderr(stderr):
        code = _exit_code(commands.main)
    return [code, _written(stdout), _written(stderr)]


def _stream() -> TextIOWrapper:
    return TextIOWrapper(BytesIO(), encoding="utf-8", write_through=True)


def _written(stream: TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _exit_code(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, int):
            return ended.code
    raise AssertionError("a command ends with an exit code")


if __name__ == "__main__":
    for command in json.load(sys.stdin):
        sys.stdout.write(json.dumps(_run(command)) + "\n")
