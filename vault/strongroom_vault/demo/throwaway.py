"""The vault of the story, made and run as an operator would try one."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from strongroom_vault.demo import screen
from strongroom_vault.demo.programs import (
    ATTEMPT_LIMIT,
    ATTEMPTS,
    NotAsItShouldBe,
    check,
    operate,
    operators_environment,
    python_program,
)
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VAULT_ID: Final = "vault.demo"
SCOPES: Final = "register recover read delete"
TOKEN_LIFETIME_S: Final = 900
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 30


@dataclass(slots=True)
class ThrowAwayVault:
    """One vault that can be made, started and stopped; the end of the block stops it.

    Attributes:
        folder: the vault's; whoever made it removes it.
        invite: for its clients, once the vault is made.
    """

    folder: Path
    invite: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "vault.db"

    def make(self) -> None:
        """Make the vault, and an invite to it."""
        make_vault(self.folder)
        self.invite = operate(self.folder, "invite").splitlines()[-1]
        screen.command(self.folder.name, f"export {ATTEMPT_LIMIT}={ATTEMPTS}")

    def start(self) -> None:
        """Run the vault until it says that it listens."""
        screen.command(self.folder.name, "strongroom-vault serve 2> vault.log &")
        with self._log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*python_program("strongroom_vault"), "serve"],
                cwd=self.folder,
                env=operators_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        self._wait_until_it_serves(self._process)

    def stop(self) -> None:
        """Stop the vault as its operator does.

        Raises:
            NotAsItShouldBe: it ended by itself before, or not cleanly.
        """
        if self._process is not None:
            check(self._process.poll() is None, "the vault died on the way")
            check(_ended(self._process) == 0, "the vault did not stop cleanly")
            self._process = None

    def events(self) -> Iterator[dict[str, Any]]:
        """Return what the running vault has logged until now; the last line may be half written."""
        for line in self._log.read_bytes().splitlines(keepends=True):
            if line.startswith(b"{") and line.endswith(b"\n"):
                yield json.loads(line)

    def access_token(self, account: str) -> str:
        """Return what an application gives to whoever signs in."""
        return issuer.issue(self.folder, VAULT_ID, account, SCOPES, TOKEN_LIFETIME_S)

    @property
    def _log(self) -> Path:
        return self.folder / "vault.log"

    def _wait_until_it_serves(self, process: subprocess.Popen[bytes]) -> None:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends_at:
            if any(event["event"] == "serving" for event in self.events()):
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise NotAsItShouldBe(f"the vault does not serve: {self._log.read_text('utf-8').strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _ended(self._process)


def make_vault(folder: Path) -> None:
    """Make a vault in a new folder."""
    folder.mkdir()
    names = ("--id", VAULT_ID, "--address", f"localhost:{free_port()}")
    operate(folder, "init", "--new", ".", *names, "--self-signed", "--development-issuer")


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End a process, by force if it must be; return its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
