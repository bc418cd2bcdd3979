"""The first day, from a wheel: what an operator types, what a client is given, and nothing else.

The client runs with a home of its own and an environment of its own, and calls the vault at an
address of this machine that is not its loopback, where it has one.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from vault_process import VAULT_ID
from wheel import install_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "seven brown foxes under one roof"
THREE_LINES = """\
from strongroom import BackupKey, Vault
vault = Vault.connect(invite={invite!r}, access_token=open({token!r}).read())
vault.protect(BackupKey.generate(), {password!r})
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first command: pip install."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))


class Host:
    """A machine: a home, the packages, and the names of the programs that pip has made."""

    def __init__(self, home: Path, installed: Path, **more: str) -> None:
        self.home = home
        self.commands: list[str] = []
        programs = home / "bin"
        programs.mkdir(parents=True)
        for name, module in (
            ("strongroom", "strongroom.cli.commands"),
            ("strongroom-vault", "strongroom_vault.__main__"),
        ):
            script = programs / name
            main = f"from {module} import main; main()"
            script.write_text(f"#!/bin/sh\nexec {sys.executable} -P -c '{main}' \"$@\"\n")
            script.chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(installed),
            "HOME": str(home),
            **more,
        }

    def run(self, command: str, typed: str = "") -> str:
        """Type a command; it must succeed. Returns its stdout."""
        self.commands.append(command)
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.home,
            env=self.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def running(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """Type a command that does not end by itself."""
        self.commands.append(command)
        process = subprocess.Popen(
            shlex.split(command),
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def lines_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """What it prints, up to a line that has this text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line.rstrip("\n"))
        if last in line:
            return lines
    raise AssertionError(f"it ended: {lines}")


def own_address() -> str:
    """An address by which other machines would call this one, or else its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
        except OSError:
            return "127.0.0.1"
        address: str = probe.getsockname()[0]
        return address


def free_port(host: str) -> int:
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_three_commands_for_the_operator_one_for_the_client(
    installed: Path, tmp_path: Path
) -> None:
    operator = Host(tmp_path / "operator", installed)
    address = f"{own_address()}:{free_port(own_address())}"
    folder = operator.home / "vault"
    settings = folder / "strongroom-vault.toml"
    operator.run(
        f"strongroom-vault init --new vault --id {VAULT_ID} --address {address}"
        " --self-signed --development-issuer"
    )
    with operator.running(f"strongroom-vault serve --config {settings}") as vault:
        lines_until(vault, '"serving", ')
        assert len(operator.commands) + 1 == 3  # with pip install
        invite = operator.run(f"strongroom-vault invite --config {settings}").strip()
        assert re.fullmatch(r"strongroom1[a-z2-7]+", invite)
        # What the application's identity provider does:
        issue = f"strongroom-vault token issue {folder} --vault-id {VAULT_ID} --account"
        alice, bob = (operator.run(f"{issue} {name}").strip() for name in ("alice", "bob"))

        phone = Host(tmp_path / "phone", installed)
        token = phone.home / "token"
        token.write_text(alice)
        enable = f"strongroom enable --invite {invite} --access-token-file {token}"
        phone.run(f"{enable} --password-fd 0", typed=PASSWORD)
        assert len(phone.commands) == 1
        assert "10 of 10 attempts left" in phone.run("strongroom status")
        token.write_text(bob)
        app = THREE_LINES.format(invite=invite, token=str(token), password=PASSWORD)
        phone.run(shlex.join([sys.executable, "-P", "-c", app]))
        operator.run(f"strongroom-vault status --config {settings}")
        vault.send_signal(signal.SIGTERM)
        vault.communicate(timeout=60)
        assert vault.returncode == 0


HOSTILE = {
    "STRONGROOM_VAULT_LISTEN_ADDRESS": "nowhere:1",
    "SOFTHSM2_CONF": "/nowhere",
    "LC_ALL": "C",
}


def after(lines: list[str], heading: str) -> str:
    """The line that follows a heading and an empty line."""
    at = next(at for at, line in enumerate(lines) if line.startswith(heading))
    return lines[at + 2]


def test_a_vault_for_development_prints_all_that_a_client_needs(
    installed: Path, tmp_path: Path
) -> None:
    """The lines are run as they are printed, and hold for the kept vault the next time."""
    host = Host(tmp_path / "a home", installed, **HOSTILE)
    port = free_port("127.0.0.1")
    with host.running(f"strongroom-vault dev --keep kept --port {port}") as vault:
        lines = lines_until(vault, "Ctrl-C ends it.")
        assert "FOR DEVELOPMENT" in lines[0]
        at = next(at for at, line in enumerate(lines) if line.startswith("from pathlib"))
        app = "\n".join(lines[at : at + 4])
        host.run(shlex.join([sys.executable, "-P", "-W", "error", "-c", app]))
        export = after(lines, "A person")
        enable = lines[lines.index(export) + 1]
        with_bob = after(lines, "Access tokens of any account").replace("alice", "bob")
        enable = re.sub(
            "--access-token-file .*", f"--access-token-command {shlex.quote(with_bob)}", enable
        )
        host.run(f"{export}; {enable} --password-fd 0", typed=PASSWORD)
        assert (host.home / "kept" / "home" / "profile.toml").is_file()
        token = host.home / "kept" / "access-token"
        assert token.stat().st_mode & 0o777 == 0o600
        vault.send_signal(signal.SIGTERM)
        vault.communicate(timeout=60)
        assert vault.returncode == 0
    certificate = (host.home / "kept" / "vault.crt.pem").read_bytes()
    with host.running("strongroom-vault dev --keep kept") as again:
        lines = [*lines_until(again, "Ctrl-C ends it.")]
        assert after(lines, "The invite") in app
        assert (host.home / "kept" / "vault.crt.pem").read_bytes() != certificate
        assert "10 of 10 attempts left" in host.run(f"{export}; strongroom status")
        again.send_signal(signal.SIGINT)
        again.communicate(timeout=60)
        assert again.returncode == 0


def test_a_throw_away_vault_leaves_nothing_behind(installed: Path, tmp_path: Path) -> None:
    """Also when its terminal is closed."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    host = Host(tmp_path / "home", installed, TMPDIR=str(folder))
    with host.running("strongroom-vault dev --json") as vault:
        (line,) = lines_until(vault, "{")
        said = json.loads(line)
        assert said["invite"].startswith("strongroom1")
        assert said["access_token_file"] == f"{said['folder']}/access-token"
        assert list(folder.iterdir())
        vault.send_signal(signal.SIGHUP)
        vault.communicate(timeout=60)
        assert vault.returncode == 0
    assert not list(folder.iterdir())


def test_development_keeps_its_hands_off_other_vaults(installed: Path, tmp_path: Path) -> None:
    host = Host(tmp_path / "home", installed)
    address = f"localhost:{free_port('127.0.0.1')}"
    host.run(f"strongroom-vault init --new vault --id vault.example --address {address}")
    with host.running("strongroom-vault dev --keep vault") as refused:
        said, _ = refused.communicate(timeout=60)
        assert refused.returncode == 1
    assert said.endswith("has the vault vault.example, which is not one for development\n")
    assert not (host.home / "vault" / "vault.crt.pem").exists()
