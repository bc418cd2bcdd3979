"""What operators' commands report with --json, and their exit codes: each, good and bad."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import many_commands
import pytest
from quick_account import QuickAccount
from vault_process import make_softhsm, make_vault

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> VaultFolder:
    made = tmp_path_factory.mktemp("reports")
    return make_vault(made / "vault", make_softhsm(made / "token"))


def test_every_command_reports_as_json(folder: VaultFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with folder.start() as vault:
        QuickAccount("alice").register(vault)
        (
            init,
            status,
            shown,
            drained,
            served,
            copied,
            rotated,
            rotation,
            deleted,
            verified,
            exported,
            standing,
        ) = many_commands.run(
            folder,
            "init --json",
            "status --json",
            "records show alice --json",
            "drain --json",
            "resume --json",
            f"backup {copy} --json",
            "rotate-wrap-key --json",
            "rotate-wrap-key --status --json",
            "records delete alice --yes --json",
            "audit verify --json",
            "audit export --json",
            "anchor show --json",
        )
        kept, reloaded = reloads(folder)
        vault.stop()
    identity = init.report["identity"]
    assert init.report == {"vault_id": "vault.test", "identity": identity, "made": []}
    assert status.report["identity"] == identity
    assert shown.report["state"] == "active"
    assert (drained.report, served.report) == ({"draining": True}, {"draining": False})
    assert copied.report == {"path": str(copy), "epoch": 1}
    assert rotated.report == rotation.report
    assert (rotated.report["stage"], rotated.report["rewrapped"]) == ("done", 1)
    assert deleted.report == {"account": "alice", "state": "deleted"}
    assert verified.report == {"events": len(exported.report)}
    assert standing.report["problem"] == ""
    assert kept.refusal["error"] == (
        "[listen] certificate_file (STRONGROOM_VAULT_LISTEN_CERTIFICATE_FILE):"
        f" {folder.certificate} does not exist"
    )
    assert reloaded.report["ends_at"] > time.time() * 1000


def reloads(folder: VaultFolder) -> list[many_commands.Done]:
    """A reload without a certificate, and one with."""
    hidden = folder.certificate.rename(folder.folder / "hidden")
    kept = many_commands.run(folder, "reload-certificate --json")
    hidden.rename(folder.certificate)
    return kept + many_commands.run(folder, "reload-certificate --json")


def test_a_loss_is_reported_as_json(folder: VaultFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with folder.start() as vault:
        (copied,) = many_commands.run(folder, f"backup {copy} --json")
        QuickAccount("bob").register(vault)
        vault.stop()
    refused, restored, asked, mistaken, accepted, none = many_commands.run(
        folder,
        f"restore {copy} --json",
        f"restore {copy} --older --json",
        "anchor accept --json",
        "anchor accept --json --vault-id vault.tset",
        "anchor accept --json --vault-id vault.test",
        "anchor accept --json --vault-id vault.test",
    )
    assert "cannot be served" in refused.refusal["error"]
    assert restored.report["database_epoch"] == copied.report["epoch"]
    assert restored.report["lost_keys"] == 0
    assert restored.report["problem"] in refused.refusal["error"]
    assert asked.refusal["error"].endswith("add --vault-id")
    assert mistaken.refusal["error"] == "that is not the vault's id; nothing was changed"
    assert accepted.report["problem"] == restored.report["problem"]
    assert "no loss to accept" in none.refusal["error"]


def test_what_needs_no_vault(folder: VaultFolder, tmp_path: Path) -> None:
    made, certified, issued, again, misused, unknown, asked, missing = many_commands.run(
        folder,
        f"token create-issuer {tmp_path} --json",
        f"self-signed {tmp_path} --json",
        f"token issue {tmp_path} --vault-id v --account alice --json",
        f"token create-issuer {tmp_path} --json",
        "records show --json",
        "--json",
        "records delete alice --json",
        "status --json --config /nowhere",
    )
    assert made.report == {"jwks_file": str(tmp_path / "issuer.jwks.json")}
    assert certified.report == {"certificate_file": str(tmp_path / "vault.crt.pem")}
    assert issued.report["access_token"].count(".") == 2
    assert issued.report["expires_in"] == 600
    assert again.refusal["exit_code"] == 1
    assert "ACCOUNT" in misused.refusal["error"]
    assert unknown.refusal["exit_code"] == misused.refusal["exit_code"] == 2
    assert asked.refusal["error"].endswith("add --yes")
    assert (
        missing.refusal["hint"]
        == "Name the settings with --config FILE or STRONGROOM_VAULT_CONFIG. A new vault:"
        " strongroom-vault init --new FOLDER."
    )


def test_a_new_vault_is_made_without_a_question_only_with_yes(folder: VaultFolder) -> None:
    token = make_softhsm(folder.folder.parent / "new-token")
    fresh = make_vault(folder.folder.parent / "new", token)
    kept = fresh.database.rename(fresh.database.with_name("kept.db"))
    asked, made = many_commands.run(
        fresh, "init --new-store --json", "init --new-store --yes --json"
    )
    assert asked.refusal["exit_code"] == 2
    assert made.report["made"] == ["store"]
    assert kept.exists()


OPEN_THE_TOKEN = {
    "init": "init",
    "serve": "serve",
    "bench": "bench --seconds 0.1",
    "anchor show": "anchor show",
    "anchor accept": "anchor accept",
    "audit verify": "audit verify",
    "backup": "backup {}/copy.db",
    "restore": "restore {}",
}


def test_a_wrong_pin_has_its_exit_code_and_the_help_says_so(
    folder: VaultFolder, tmp_path: Path
) -> None:
    pin = tmp_path / "pin"
    pin.write_text("wrong")
    pin.chmod(0o600)
    commands = [text.format(folder.database) for text in OPEN_THE_TOKEN.values()]
    tried = many_commands.run(
        folder,
        *(f"{command} --json" for command in commands),
        *(f"{command} --help" for command in OPEN_THE_TOKEN),
        "doctor --help",
        STRONGROOM_VAULT_TOKEN_PIN_FILE=str(pin),
    )
    count = len(commands)
    for command, done in zip(commands, tried[:count], strict=True):
        assert done.code == 3, command
        assert "does not accept the PIN" in done.stderr.splitlines()[-1], command
    for done in tried[count:-1]:
        assert re.search("3 +the token does not accept the PIN", done.stdout), done.stdout
    assert "does not accept the PIN" not in tried[-1].stdout


def test_a_vault_that_would_answer_half_of_its_clients_does_not_start(folder: VaultFolder) -> None:
    """Another process has the port at one of the addresses of localhost."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        (refused,) = many_commands.run(
            folder, "serve --json", STRONGROOM_VAULT_LISTEN_ADDRESS=f"localhost:{port}"
        )
    assert refused.code == 1
    assert f"[::1]:{port}: another process listens there" in refused.stderr.splitlines()[-1]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_both_families(shared_vault: VaultProcess, host: str) -> None:
    context = ssl.create_default_context(cafile=str(shared_vault.folder.certificate))
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, shared_vault.port), timeout=30) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as tls,
    ):
        assert tls.version() == "TLSv1.3"


def test_ctrl_c(folder: VaultFolder) -> None:
    process = subprocess.Popen(
        folder.command("bench", "--seconds", "1.5", "--json"),
        env=folder.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- CI may ignore it
    )
    assert process.stdout is not None
    assert "per_s" in json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    reports = [json.loads(line) for line in said.splitlines() if line]
    assert [one["exit_code"] for one in reports if "error" in one and "hint" in one] == [130], said


def test_what_needs_neither_grpc_nor_prometheus_loads_neither(folder: VaultFolder) -> None:
    """They cost an operator time and memory."""
    program = (
        "import sys; from strongroom_vault.cli import commands;"
        "from strongroom_vault.operator import backup_restore, bench, doctor, init;"
        "sys.exit(any(name in sys.modules for name in ('grpc', 'prometheus_client')))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
