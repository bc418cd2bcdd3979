"""A vault to throw away: a SoftHSM token, TLS, an issuer and a store, all of it in one folder."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from strongroom_vault import issuer
from strongroom_vault.demo import screen
from strongroom_vault.demo.programs import (
    NotAsItShouldBe,
    check,
    operate,
    operators_environment,
    own_environment,
    python_program,
    run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

INIT_TOKEN: Final = Path(__file__).parents[1] / "init-token.sh"
VAULT_ID: Final = "vault.demo"
ATTEMPTS: Final = 3
SCOPES: Final = "register recover read delete"
TOKEN_LIFETIME_S: Final = 900
START_TIMEOUT_S: Final = 60
STOP_TIMEOUT_S: Final = 30

SETTINGS: Final = """
[vault]
id = "{vault_id}"
attempt_limit = {attempts}

{token}
workers = 1

[store]
path = "vault.db"

[listen]
address = "localhost:0"
certificate_file = "vault.crt.pem"
key_file = "vault.key.pem"
admin_socket = "admin.sock"

[access_tokens]
jwks_file = "issuer.jwks.json"
"""


@dataclass(slots=True)
class ThrowAwayVault:
    """One vault, which its operator makes, starts and stops. Leaving it stops it.

    Attributes:
        folder: of its own; whoever made it removes it.
        identity: by which clients know the vault, once it is made.
        address: host:port, while it serves.
    """

    folder: Path
    identity: str = ""
    address: str = ""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def database(self) -> Path:
        """The store."""
        return self.folder / "vault.db"

    @property
    def certificate(self) -> Path:
        """What clients trust."""
        return self.folder / "vault.crt.pem"

    def make(self) -> None:
        """Make token, settings, certificate, issuer, and the vault's keys in the token."""
        make_token(self.folder)
        operate(self.folder, "self-signed", ".")
        operate(self.folder, "token", "create-issuer", ".")
        self.identity = operate(self.folder, "init", "--yes").splitlines()[-1]

    def start(self) -> None:
        """Run the vault until it says that it listens."""
        screen.command(self.folder.name, "strongroom-vault serve 2> vault.log &")
        with self._log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [*python_program("strongroom_vault"), "serve"],
                cwd=self.folder,
                env=operators_environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )
        self.address = f"localhost:{self._port(self._process)}"

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

    def _port(self, process: subprocess.Popen[bytes]) -> int:
        ends_at = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < ends_at:
            for event in self.events():
                if event["event"] == "serving":
                    return int(event["port"])
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise NotAsItShouldBe(f"the vault does not serve: {self._log.read_text('utf-8').strip()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            _ended(self._process)


def make_token(folder: Path) -> None:
    """Make a SoftHSM token in a new folder, and the settings of a vault that uses it."""
    folder.mkdir()
    screen.command(folder.name, "init-token.sh token > token.toml")
    line = 'exec sh "$0" token > token.toml'
    code, said = run(["sh", "-c", line, str(INIT_TOKEN)], folder, own_environment())
    check(code == 0, said)
    token = (folder / "token.toml").read_text(encoding="utf-8")
    text = SETTINGS.format(vault_id=VAULT_ID, attempts=ATTEMPTS, token=token)
    (folder / "strongroom-vault.toml").write_text(text, encoding="utf-8")


def usable_tmp() -> str:
    """Return the folder for temporary files, or /tmp where SoftHSM could not read that one."""
    folder = tempfile.gettempdir()
    return folder if folder.isprintable() and "#" not in folder else "/tmp"  # noqa: S108 -- a folder of its own is made in it


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End a process, by force if it must be; return its exit code."""
    process.terminate()
    try:
        return process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
