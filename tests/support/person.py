"""A person's device: a home, files, an access token, and the command `strongroom`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect

if TYPE_CHECKING:
    from vault_process import VaultProcess

PASSWORD = "seven brown foxes under one roof"
PROGRAM = str(Path(sys.executable).parent / "strongroom")
ODD_PROGRAM = str(Path(__file__).parent / "odd_command.py")


@dataclass
class Device:
    """A device of an account: its home folder and its files."""

    folder: Path
    vault: VaultProcess
    account: str
    more: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.token.write_text(self.vault.folder.access_token(self.account))

    @property
    def token(self) -> Path:
        """Its access token."""
        return self.folder / "token"

    @property
    def home(self) -> Path:
        """What the command keeps."""
        return self.folder / "home"

    def environment(self) -> dict[str, str]:
        """The environment of the command."""
        return {
            **os.environ,
            "STRONGROOM_HOME": str(self.home),
            "STRONGROOM_VAULT": self.vault.address,
            "STRONGROOM_CA_FILE": str(self.vault.folder.certificate),
            "STRONGROOM_ACCESS_TOKEN_FILE": str(self.token),
            "STRONGROOM_KEY_STORE": "file",
            **self.more,
        }

    def run(
        self, *arguments: str, typed: str = "", odd: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the command with `typed` at descriptor 0, where --password-fd 0 finds it.

        Args:
            arguments: what follows `strongroom`.
            typed: what a person would type at a hidden prompt.
            odd: what goes wrong meanwhile (see odd_command.py).
        """
        program = [sys.executable, ODD_PROGRAM, odd] if odd else [PROGRAM]
        done = subprocess.run(
            [*program, *arguments],
            cwd=self.folder,
            env=self.environment(),
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def ok(self, *arguments: str, typed: str = "") -> str:
        """Run the command, which must succeed; return its stdout."""
        done = self.run(*arguments, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def said(self, *arguments: str, typed: str = "") -> str:
        """Run the command, which must succeed; return its stderr."""
        done = self.run(*arguments, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def enable(self, *options: str, password: str = PASSWORD) -> None:
        """Enable."""
        self.ok("enable", *options, "--password-fd", "0", typed=password)

    def attempts_left(self) -> int:
        """Ask the vault."""
        line = next(line for line in self.ok("status").splitlines() if line.startswith("key "))
        return int(line.rpartition(", ")[2].split()[0])

    def terminal(self, *arguments: str) -> pexpect.spawn[str]:
        """Run the command on a terminal."""
        return pexpect.spawn(
            PROGRAM,
            list(arguments),
            cwd=str(self.folder),
            env=self.environment(),
            encoding="utf-8",
            timeout=30,
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # CI may ignore it
        )
