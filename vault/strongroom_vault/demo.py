"""`strongroom-vault demo`: the whole story on this machine, with the real commands and a real file.

A vault with TLS on localhost and a SoftHSM token; a person protects a backup, loses the device and
gets everything back; a thief guesses another account's key to destruction. Each step is shown as
a person would see it and checked; the first one that is not as it should be ends the demo.
"""

from __future__ import annotations

import filecmp
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

INIT_TOKEN: Final = Path(__file__).with_name("init-token.sh")
FILE_SIZE: Final = 64 * 1024 * 1024
VAULT_ID: Final = "vault.demo"
PASSWORD: Final = "seven brown foxes under one roof"
ATTEMPTS: Final = 5
START_TIMEOUT_S: Final = 60
WRONG_PASSWORD: Final = 3
KEY_DESTROYED: Final = 4

SETTINGS: Final = """
[vault]
id = "{vault_id}"
attempt_limit = {attempts}

{token}
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


class NotAsItShouldBe(OperatorError):
    """A step went otherwise than the story goes."""


@dataclass(frozen=True, slots=True)
class Device:
    """One of a person's devices: a folder, an access token, and the command `strongroom`."""

    home: Path
    files: Path
    environment: dict[str, str]

    def run(
        self, *arguments: str, typed: str = "", exit_code: int = 0, secret: bool = False
    ) -> str:
        """Run `strongroom` as the person would; return its stdout.

        What would be typed at a hidden prompt goes through a file descriptor here.
        """
        options: list[str] = []
        descriptors: tuple[int, ...] = ()
        click.echo(f"\n  $ strongroom {shlex.join(arguments)}")
        if typed:
            reading, writing = os.pipe()
            os.write(writing, typed.encode() + b"\n")
            os.close(writing)
            name = "--digits-fd" if "--digits" in arguments else "--password-fd"
            options, descriptors = [name, str(reading)], (reading,)
        done = subprocess.run(
            [*program("strongroom"), *arguments, *options],
            cwd=self.files,
            env={**self.environment, "STRONGROOM_HOME": str(self.home)},
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        for descriptor in descriptors:
            os.close(descriptor)
        shown = done.stderr + ("(64 digits)\n" if secret else done.stdout)
        show_lines(shown)
        check(done.returncode == exit_code, f"exit code {done.returncode}, not {exit_code}")
        return done.stdout.strip()


def play() -> None:
    """Play the story in a folder of its own, and leave nothing behind.

    Raises:
        OperatorError: the machine lacks something, or a step went wrong.
    """
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        with tempfile.TemporaryDirectory(prefix="strongroom-demo-", dir=usable_tmp()) as name:
            folder = Path(name)
            environment = make_vault(folder)
            with running_vault(folder, environment) as address:
                backup_and_loss(folder, environment, address)
                destruction(folder, environment, address)
    except OSError as error:
        raise OperatorError(f"the demo cannot go on: {error}") from error
    say(f"Everything is as it should be. ({time.monotonic() - began:.0f} s)")


def usable_tmp() -> str:
    """Return the folder for temporary files, or /tmp where SoftHSM could not read that one."""
    folder = tempfile.gettempdir()
    return folder if folder.isprintable() and "#" not in folder else "/tmp"  # noqa: S108 -- a folder of its own is made in it


def own_environment() -> dict[str, str]:
    """Return the environment without this person's settings of Strongroom and without a proxy."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    return {**own, "no_proxy": "localhost"}


def make_vault(folder: Path) -> dict[str, str]:
    """Make a token, certificates, an issuer of access tokens, and the vault's keys."""
    say("An operator sets up a vault: a token (SoftHSM), TLS, and the vault's keys in the token.")
    made = command(["sh", INIT_TOKEN, folder / "token"])
    text = SETTINGS.format(vault_id=VAULT_ID, attempts=ATTEMPTS, token=made)
    (folder / "strongroom-vault.toml").write_text(text, encoding="utf-8")
    environment = {**own_environment(), "SOFTHSM2_CONF": str(folder / "token" / "softhsm2.conf")}
    operator("self-signed", folder, environment=environment)
    operator("token", "create-issuer", folder, environment=environment)
    settings = folder / "strongroom-vault.toml"
    operator("init", "--yes", "--config", settings, environment=environment)
    return environment


@contextmanager
def running_vault(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run the vault; give its address; check that it lived to the end and stops cleanly."""
    click.echo("\n  $ strongroom-vault serve")
    log = folder / "vault.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [*program("strongroom_vault"), "serve", "--config", folder / "strongroom-vault.toml"],
            env=environment,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
        )
    try:
        port = serving_port(process, log)
        click.echo(f"  serving on localhost:{port}, TLS 1.3")
        yield f"localhost:{port}"
        check(process.poll() is None, "the vault died on the way")
        process.terminate()
        check(process.wait(timeout=30) == 0, "the vault did not stop cleanly")
    finally:
        process.kill()
        process.wait()


def serving_port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the vault serves; return its port."""
    ends_at = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < ends_at and process.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"event": "serving"' in line:
                return int(json.loads(line)["port"])
        time.sleep(0.05)
    raise NotAsItShouldBe(f"the vault does not serve: {log.read_text(encoding='utf-8')}")


def backup_and_loss(folder: Path, environment: dict[str, str], address: str) -> None:
    """A person protects a backup, loses the device, and gets it back."""
    phone = device(folder, environment, "phone", address, "alice")
    say(f"Alice has {FILE_SIZE // 2**20} MiB of chats on her phone. She enables backups.")
    chats = phone.files / "chats.db"
    write_random(chats)
    phone.run("enable", typed=PASSWORD)
    phone.run("backup", "chats.db")
    digits = phone.run("show-key", secret=True)
    phone.run("status")

    say(
        "The phone falls into a lake. Alice has a new one, the backup from the cloud, her password."
    )
    new_phone = device(folder, environment, "new-phone", address, "alice")
    shutil.copy(phone.files / "chats.db.age", new_phone.files)
    new_phone.run("restore", "chats.db.age", typed="seven brown foxes", exit_code=WRONG_PASSWORD)
    new_phone.run("restore", "chats.db.age", typed=PASSWORD)
    compare(chats, new_phone.files / "chats.db")

    say("The same backup opens with the 64-digit key alone, without any vault.")
    paper = Device(folder / "paper-home", folder / "paper", environment)
    paper.files.mkdir()
    shutil.copy(phone.files / "chats.db.age", paper.files)
    paper.run("restore", "chats.db.age", "--digits", typed=digits)
    compare(chats, paper.files / "chats.db")


def destruction(folder: Path, environment: dict[str, str], address: str) -> None:
    """A thief of an access token guesses until the key is gone, for its owner too."""
    say("Bob protects a key. A thief who has his access token guesses the password.")
    bob = device(folder, environment, "bob", address, "bob")
    bob.run("enable", typed=PASSWORD)
    thief = device(folder, environment, "thief", address, "bob")
    for guess in range(1, ATTEMPTS):
        thief.run("show-key", typed=f"guess {guess}", exit_code=WRONG_PASSWORD)
    thief.run("show-key", typed=f"guess {ATTEMPTS}", exit_code=KEY_DESTROYED)
    say("The key is gone for good: not even the right password brings it back.")
    thief.run("show-key", typed=PASSWORD, exit_code=KEY_DESTROYED)
    bob.run("status")


def device(
    folder: Path, environment: dict[str, str], name: str, address: str, account: str
) -> Device:
    """A new device of an account, signed in."""
    files = folder / name
    files.mkdir()
    token = files / "access-token"
    arguments = ("issue", folder, "--vault-id", VAULT_ID, "--account", account)
    token.write_text(operator("token", *arguments, environment=environment, show=False))
    return Device(
        home=folder / f"{name}-home",
        files=files,
        environment={
            **environment,
            "STRONGROOM_VAULT": address,
            "STRONGROOM_CA_FILE": str(folder / "vault.crt.pem"),
            "STRONGROOM_ACCESS_TOKEN_FILE": str(token),
            "STRONGROOM_KEY_STORE": "file",
        },
    )


def program(package: str) -> list[str | Path]:
    """Return how one of our programs is run with this very Python, wherever it is installed."""
    return [sys.executable, "-P", "-c", f"from {package}.cli import main; main()"]


def operator(*arguments: str | Path, environment: dict[str, str], show: bool = True) -> str:
    """Run `strongroom-vault`; return its stdout."""
    words = [str(argument) for argument in arguments]
    if show:
        click.echo(f"\n  $ strongroom-vault {shlex.join(words)}")
    output = command([*program("strongroom_vault"), *words], environment)
    if show:
        show_lines(output)
    return output


def command(words: list[str | Path], environment: dict[str, str] | None = None) -> str:
    """Run a program that must succeed; return its stdout."""
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    check(done.returncode == 0, done.stderr.strip())
    return done.stdout


def write_random(path: Path) -> None:
    """Write FILE_SIZE random bytes."""
    with path.open("wb") as file:
        for _ in range(FILE_SIZE // 2**20):
            file.write(os.urandom(2**20))


def compare(one: Path, other: Path) -> None:
    """Both files are the same, byte for byte."""
    click.echo(f"\n  $ cmp {one.parent.name}/{one.name} {other.parent.name}/{other.name}")
    check(one.stat().st_size >= FILE_SIZE, "the file is too small")
    check(filecmp.cmp(one, other, shallow=False), "the files differ")
    click.echo("  the same, byte for byte")


def check(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like assert
    """End the demo unless `is_so`."""
    if not is_so:
        raise NotAsItShouldBe(otherwise)


def show_lines(output: str) -> None:
    """Show what a program has printed."""
    for line in output.splitlines():
        click.echo(f"  {line}")


def say(text: str) -> None:
    """Tell the next part of the story."""
    click.echo(f"\n{text}")
