"""`strongroom-vault init --new`: a vault from one command, and an operator's mistakes at night."""

from __future__ import annotations

import os
import re
import resource
import shutil
import socket
import stat
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import cut_new
import pytest
from vault_process import make_softhsm

from strongroom_vault.cli.commands import cli
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM = [sys.executable, "-c", "from strongroom_vault.cli.commands import main; main()"]
ID = ("--id", "vault.example")
AT = ("--address", "vault.example:47443")
DEVELOPMENT = ("--self-signed", "--development-issuer")


def run(
    *arguments: str | Path,
    code: int = 0,
    limit: Callable[[], None] | None = None,
    conf: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `strongroom-vault init`; no environment leads to a token or to settings."""
    done = subprocess.run(
        [*PROGRAM, "init", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "STRONGROOM_VAULT_STORE_PATH": "/nowhere"}
        | ({} if conf is None else {"SOFTHSM2_CONF": str(conf)}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=limit,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def refusal(folder: Path, *arguments: str) -> str:
    """What the command says instead of making a vault, asked in this process: it opens no token."""
    words = ["init", "--yes", "--new", str(folder), *arguments]
    with pytest.raises((OperatorError, click.UsageError)) as refused:
        cli.main(words, prog_name="strongroom-vault", standalone_mode=False)
    error = refused.value
    return error.format_message() if isinstance(error, click.UsageError) else str(error)


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Mode and time of every file but SoftHSM's own."""
    found = {path: path.stat() for path in folder.rglob("*") if "tokens" not in path.parts}
    return {str(path): (stat.S_IMODE(s.st_mode), s.st_mtime_ns) for path, s in found.items()}


def test_one_command_makes_a_whole_vault_and_again_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "there" / "vault"
    made = run("--new", folder, *ID, *AT, *DEVELOPMENT)
    assert len(made.stdout.strip()) == 44
    assert f"serve --config {folder}/strongroom-vault.toml" in made.stderr
    assert "it needs" not in made.stderr
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    before = state(folder)
    for name in ("token/user.pin", "token/so.pin", "vault.key.pem", "ca.key.pem", "issuer.key.pem"):
        assert before[str(folder / name)][0] == 0o600
    assert len((folder / "token" / "user.pin").read_text()) == 32
    settings = tomllib.loads((folder / "strongroom-vault.toml").read_text())
    assert settings["vault"] == {"id": "vault.example"}
    paths = [settings["token"]["pin_file"], settings["store"]["path"]]
    paths += [value for name, value in settings["listen"].items() if "address" not in name]
    assert all(Path(path).is_relative_to(folder) for path in paths)
    again = run("--new", folder, *ID, *AT, *DEVELOPMENT)
    assert again.stdout == made.stdout
    assert "nothing to do" in again.stderr
    assert state(folder) == before


def test_what_is_missing_is_said_and_can_come_later(tmp_path: Path) -> None:
    made = run("--new", tmp_path / "vault", *ID, *AT)
    assert "a TLS certificate: its chain in" in made.stderr
    assert "the JWK set of your identity provider" in made.stderr
    assert not list((tmp_path / "vault").glob("*.pem"))
    later = run("--new", tmp_path / "vault", *ID, *AT, *DEVELOPMENT)
    assert "it needs" not in later.stderr
    assert later.stdout == made.stdout


def test_cut_off_at_any_step_it_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, cut_new.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 15


def test_a_full_disk_leaves_what_the_next_run_goes_on_from(tmp_path: Path) -> None:
    """Files may not grow beyond 64 bytes; that is enough for a PIN, and not for a token."""
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (64, 64))
    full = run("--new", tmp_path / "vault", *ID, *AT, *DEVELOPMENT, code=1, limit=limit)
    assert len(full.stderr.splitlines()) == 1
    assert not list((tmp_path / "vault").iterdir())
    run("--new", tmp_path / "vault", *ID, *AT, *DEVELOPMENT)


def test_a_real_hsm_is_named_by_module_label_and_pin(tmp_path: Path) -> None:
    """SoftHSM stands for it, in a folder that the command knows nothing of."""
    hsm = make_softhsm(tmp_path / "hsm", "a partition")
    shutil.move(hsm.configuration, tmp_path / "hsm.conf")
    options = ("--module", hsm.module, "--label", hsm.label, "--pin-file", hsm.pin_file)
    (tmp_path / "other").mkdir()
    other = tmp_path / "other.conf"  # the system's tokens may be root's alone
    other.write_text(f"directories.tokendir = {tmp_path}/other\n")
    missing = run("--new", tmp_path / "vault", *ID, *AT, *options, code=1, conf=other)
    assert "'a partition'" in missing.stderr
    settings = tmp_path / "vault" / "strongroom-vault.toml"
    with settings.open("a") as file:
        file.write(f'[token.environment]\nSOFTHSM2_CONF = "{tmp_path}/hsm.conf"\n')
    asked = run("--new", tmp_path / "vault", *ID, *AT, *options, code=1)
    assert "Continue? [y/N]" in asked.stderr
    made = run("--new", tmp_path / "vault", *ID, *AT, *options, "--yes")
    assert len(made.stdout.strip()) == 44
    assert not (tmp_path / "vault" / "token").exists()


def taken_port(host: str) -> tuple[socket.socket, str]:
    server = socket.create_server((host, 0))
    return server, str(server.getsockname()[1])


def not_ours(folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("five years")


def writable(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)


def another_token(folder: Path) -> None:
    make_softhsm(folder / "token")
    folder.chmod(0o700)


def a_file(folder: Path) -> None:
    folder.write_text("not a folder")


MISTAKES: list[tuple[Callable[[Path], None] | None, tuple[str, ...], str]] = [
    (not_ours, (*ID, *AT), "is not empty: it has thesis.txt"),
    (writable, (*ID, *AT), "others can write in"),
    (another_token, (*ID, *AT), "not a token that was made here"),
    (a_file, (*ID, *AT), "is a file"),
    (None, ("--id", "Vault Example", *AT), "id"),
    (None, (*ID, "--address", "http://vault.example:1"), "--address"),
    (None, (*ID, "--address", "vault.example:99999"), "--address"),
    (None, (*ID, *AT, "--listen", "203.0.113.1:47443"), "name another address"),
    (None, (*ID, *AT, "--listen", "[::]"), "--listen must be host:port"),
    (None, (*ID, "--address", "vault.example"), "names no port"),
    (None, (*ID,), "--new needs --id and --address"),
    (None, (*ID, *AT, "--label", "x"), "--module, --label and --pin-file"),
    (None, (*ID, *AT, "--self-signed", "--certificate", __file__), "go together"),
    (None, (*ID, *AT, "--jwks", "http://plain.example"), "jwks|https"),
    (None, (*ID, *AT, "--config", __file__), "leave out --config"),
]


@pytest.mark.parametrize(("before", "options", "sentence"), MISTAKES)
def test_a_mistake_is_named_and_changes_nothing(
    tmp_path: Path,
    before: Callable[[Path], None] | None,
    options: tuple[str, ...],
    sentence: str,
) -> None:
    folder = tmp_path / "vault"
    if before is not None:
        before(folder)
    was = state(tmp_path)
    assert re.search(sentence, refusal(folder, *options))
    left = {path for path in state(tmp_path) if path != str(folder)}
    assert left == {path for path in was if path != str(folder)}


def test_options_of_a_new_vault_need_new() -> None:
    with pytest.raises(click.UsageError, match="--id goes with --new"):
        cli.main(["init", *ID], standalone_mode=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_address_that_is_taken(tmp_path: Path, host: str) -> None:
    server, port = taken_port("127.0.0.1")
    with server:
        refused = refusal(tmp_path / "vault", *ID, "--address", f"{host}:{port}")
    assert "another program listens" in refused
    assert not list((tmp_path / "vault").iterdir())


def test_somebody_elses_folder(tmp_path: Path) -> None:
    """As root, in the folder of the service's user; as a user, in one of root's."""
    folder = tmp_path / "vault"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    else:
        folder = Path("/var/empty") if Path("/var/empty").exists() else Path("/var/lib")
    refused = refusal(folder, *ID, *AT)
    assert "belongs to the user" in refused
    assert "runuser -u" in refused


def test_another_vault_in_the_folder(tmp_path: Path) -> None:
    run("--new", tmp_path, *ID, *AT)
    before = state(tmp_path)
    for options in (("--id", "other.example", *AT), (*ID, "--address", "other.example:1")):
        refused = refusal(tmp_path, *options)
        assert "another vault already: vault.example at vault.example:47443" in refused
    assert state(tmp_path) == before
