"""`strongroom-vault dev`: a throw-away vault, and everything that a client needs to use it.

It is for development alone, and says so wherever people look: in what it prints, in its settings,
in the vault's id. It listens on this machine only.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca, init, invites, issuer, new_vault
from strongroom_vault.operator.softhsm import usable_tmp
from strongroom_vault.platform import logs
from strongroom_vault.platform.files import reason, replace
from strongroom_vault.settings import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from strongroom_vault.settings.config import Settings

VAULT_ID: Final = "development.vault"
ACCOUNT: Final = "alice"
PORT: Final = 7443
SCOPES: Final = "register recover read delete"
LIFETIME_S: Final = 900
REFRESH_S: Final = 300
"""The token in the file is always good for ten minutes more."""
TOKEN_FILE: Final = "access-token"  # noqa: S105 -- a file's name
LOG_FILE: Final = "vault.log"


@dataclass(frozen=True, slots=True)
class Development:
    """A running vault for development.

    Attributes:
        folder: has all its files.
        invite: for its clients.
        token_file: an access token for ACCOUNT, always a fresh one.
        token_command: words of a command that prints one.
        is_kept: whether the folder outlives it.
        address: host:port where it listens.
        is_port_taken: whether that is another port than usual, because a program has that one.
    """

    folder: Path
    invite: str
    token_file: Path
    token_command: tuple[str, ...]
    is_kept: bool
    address: str = f"localhost:{PORT}"
    is_port_taken: bool = False

    def as_json(self) -> str:
        """What a client needs, for a program that starts this vault."""
        fields = {
            "invite": self.invite,
            "address": self.address,
            "access_token_file": str(self.token_file),
            "access_token_command": shlex.join(self.token_command),
            "folder": str(self.folder),
        }
        return json.dumps(fields)

    def lines(self) -> Iterator[str]:
        """What a client needs, for a person."""
        token = shlex.quote(str(self.token_file))
        yield "A vault FOR DEVELOPMENT serves on this machine. Trust it with nothing of value."
        yield f"All of it is in {self.folder}{'' if self.is_kept else ', removed at the end'}."
        yield f"Its log: {self.folder / LOG_FILE}"
        if self.is_port_taken:
            yield f"Port {PORT} is taken by another program, so it listens at {self.address}."
        yield f"\nThe invite:\n\n{self.invite}"
        yield f"\nAn access token of {ACCOUNT}, always a fresh one:\n\n{self.token_file}"
        yield "\nAn application:\n"
        yield "from pathlib import Path"
        yield "from strongroom import BackupKey, Vault"
        read = f"Path({str(self.token_file)!r}).read_text"
        yield f'vault = Vault.connect(invite="{self.invite}", access_token={read})'
        yield 'vault.protect(BackupKey.generate(), "correct horse battery staple")'
        yield "\nA person, with a home apart from yours:\n"
        yield f"export STRONGROOM_HOME={shlex.quote(str(self.folder / 'home'))}"
        yield f"strongroom enable --invite {self.invite} --access-token-file {token}"
        yield "\nAccess tokens of any account, also as --access-token-command:\n"
        yield shlex.join(self.token_command)
        yield "\nCtrl-C ends it."


def run(
    keep: Path | None,
    port: int | None,
    say: Callable[[str], None],
    *,
    serve: Callable[[Settings, Callable[[], Coroutine[Any, Any, None]]], Coroutine[Any, Any, None]],
    as_json: bool,
) -> None:
    """Make a vault, or take the kept one, and serve until Ctrl-C or a signal.

    Args:
        keep: the folder of a vault that outlives this; None for one that does not.
        port: where to listen; None for that of the kept vault, or a free one.
        say: gets what a client needs, once the vault serves.
        serve: runs a vault until a signal, and beside it what it is given.
        as_json: whether as JSON, or in lines.

    Raises:
        OperatorError: the machine lacks something, or the folder has another vault.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with _folder(keep) as folder:
            settings = _made(folder, port)
            made = _describe(folder, settings, port, is_kept=keep is not None)
            text = made.as_json() if as_json else "\n".join(made.lines())
            with (folder / LOG_FILE).open("a", encoding="utf-8") as log:
                logs.configure(log)
                asyncio.run(serve(settings, lambda: _beside(made, lambda: say(text))))
    except OSError as error:
        raise OperatorError(f"this vault cannot go on: {reason(error)}") from error


def _describe(folder: Path, settings: Settings, port: int | None, *, is_kept: bool) -> Development:
    """Make the vault's keys where they are missing, and return what its clients need."""
    identity = init.carry_out(settings, init.make_plan(settings), new_store=False)
    program = shutil.which("strongroom-vault")
    words = (program,) if program else (sys.executable, "-m", "strongroom_vault")
    options = ("--vault-id", VAULT_ID, "--account", ACCOUNT)
    address = settings.listen.address
    return Development(
        folder=folder,
        invite=invites.invite_for(settings, identity).encode(),
        token_file=folder / TOKEN_FILE,
        token_command=(*words, "token", "issue", str(folder), *options),
        is_kept=is_kept,
        address=address,
        is_port_taken=port is None and not address.endswith(f":{PORT}") and not _is_free(PORT),
    )


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="strongroom-dev-", dir=usable_tmp()) as name:
        yield Path(name)


def _made(folder: Path, port: int | None) -> Settings:
    """Return the settings of the vault in the folder, which is made if it is missing.

    The certificate is renewed; its authority, and with it the invite, stays.
    """
    settings_file = folder / new_vault.SETTINGS_FILE
    address = f"localhost:{port or _free_port()}"
    if settings_file.exists():
        there = loading.load(settings_file, {})
        if there.vault.id != VAULT_ID:
            raise OperatorError(
                f"{folder} has the vault {there.vault.id}, which is not one for development"
            )
        kept = there.listen.public_address or there.listen.address
        if port is not None and kept != address:
            raise OperatorError(
                f"the vault in {folder} listens at {kept}, which its invite names",
                "Leave out --port, or keep another vault in another folder.",
            )
        address = kept
    choice = new_vault.Choice(VAULT_ID, address, is_self_signed=True, has_own_issuer=True)
    new_vault.make(folder, choice)
    development_ca.create_self_signed(folder)
    return loading.load(settings_file, {})


def _free_port() -> int:
    """Return the usual port, or another one where a program has that."""
    if _is_free(PORT):
        return PORT
    try:
        with closing(socket.create_server(("127.0.0.1", 0))) as probe:
            free: int = probe.getsockname()[1]
            return free
    except OSError as error:
        raise OperatorError(f"there is no free port on localhost: {reason(error)}") from error


def _is_free(port: int) -> bool:
    """Whether nothing listens at a port of localhost, IPv4 or IPv6."""
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
    return True


async def _beside(made: Development, say: Callable[[], None]) -> None:
    """Keep the access token fresh; `say` what a client needs once there is one."""
    loop = asyncio.get_running_loop()
    # Here SIGHUP means that the terminal was closed; only a service reads its certificate again.
    loop.add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
    _renew_access_token(made)
    say()
    while True:
        await asyncio.sleep(REFRESH_S)
        _renew_access_token(made)


def _renew_access_token(made: Development) -> None:
    token = issuer.issue(made.folder, VAULT_ID, ACCOUNT, SCOPES, LIFETIME_S)
    replace(made.token_file, token.encode(), 0o600)
