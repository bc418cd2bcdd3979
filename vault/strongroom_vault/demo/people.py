"""The people of the story: each has a device with the command `strongroom`."""

from __future__ import annotations

import os
import shlex
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from strongroom_vault.demo import screen
from strongroom_vault.demo.programs import own_environment, python_program, run, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom_vault.demo.throwaway import ThrowAwayVault


@dataclass(frozen=True, slots=True)
class Device:
    """A device: a folder with its files; in `home`, those of `strongroom`."""

    folder: Path
    environment: dict[str, str]

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Return the device in a folder; without a folder, a new one that knows no vault."""
        folder.mkdir(exist_ok=True)
        own = {"STRONGROOM_HOME": str(folder / "home"), "STRONGROOM_KEY_STORE": "file"}
        return cls(folder, {**own_environment(), **own})

    def sign_in(self, vault: ThrowAwayVault, account: str) -> None:
        """Learn where the vault is, and get an access token from the application."""
        token = self.folder / "access-token"
        token.write_text(vault.access_token(account), encoding="ascii")
        self.environment.update(
            STRONGROOM_INVITE=vault.invite,
            STRONGROOM_ACCESS_TOKEN_FILE=str(token),
        )

    def run(self, *arguments: str, typed: str = "", exit_code: int = 0) -> str:
        """Run `strongroom` as its user would; return what it has printed.

        What would be typed at a hidden prompt goes through a file descriptor here.
        """
        screen.command(self.folder.name, f"strongroom {shlex.join(arguments)}", typed)
        words = [*python_program("strongroom"), *arguments]
        if not typed:
            return shown(run(words, self.folder, self.environment), exit_code)
        option = "--digits-fd" if "--digits" in arguments else "--password-fd"
        with _typing(typed) as descriptor:
            words += [option, str(descriptor)]
            return shown(run(words, self.folder, self.environment, (descriptor,)), exit_code)


@contextmanager
def _typing(text: str) -> Iterator[int]:
    """A file descriptor that gives a line of text."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode() + b"\n")
        os.close(writing)
        yield reading
    finally:
        os.close(reading)
