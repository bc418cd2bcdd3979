"""`strongroom-vault doctor` as an operator sees it: fit, and with everything that can be wrong."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from vault_process import VaultFolder


def doctor(vault: VaultFolder, code: int, **environment: str) -> dict[str, dict[str, Any]]:
    done = subprocess.run(
        vault.command("doctor", "--json"),
        env={**vault.environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    return {finding["check"]: finding for finding in findings}


def failed(findings: dict[str, dict[str, Any]]) -> set[str]:
    return {check for check, finding in findings.items() if finding["state"] == "failed"}


def test_fit_while_the_vault_serves(vault_folder: VaultFolder) -> None:
    with vault_folder.start() as running:
        findings = doctor(vault_folder, 0)
        assert failed(findings) == set()
        assert findings["anchor"]["state"] == "ok"
        with running.connect() as client:
            assert client.status() is None  # nobody registered; the vault answers
        running.stop()


def test_a_table_of_at_most_eighty_columns(vault_folder: VaultFolder) -> None:
    done = subprocess.run(
        vault_folder.command("doctor"),
        env=vault_folder.environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = [line for line in done.stdout.splitlines() if str(vault_folder.folder) not in line]
    assert max(len(line) for line in lines) <= 80
    assert "residency = wrapped or token" in done.stderr


def test_a_wrong_pin_is_tried_once(vault_folder: VaultFolder) -> None:
    vault_folder.softhsm.pin_file.write_text("wrong")
    findings = doctor(vault_folder, 1)
    assert failed(findings) == {"open"}
    assert "PIN" in findings["open"]["detail"]


@pytest.mark.parametrize("module", ["/nonexistent.so", "/etc/hostname"])
def test_a_module_that_is_none(vault_folder: VaultFolder, module: str) -> None:
    findings = doctor(vault_folder, 1, STRONGROOM_VAULT_TOKEN_MODULE=module)
    assert failed(findings) == {"open"}
    assert module in findings["open"]["detail"]
    assert "[token] module (STRONGROOM_VAULT_TOKEN_MODULE)" in findings["open"]["detail"]


def test_a_module_that_kills_the_process(vault_folder: VaultFolder) -> None:
    """libc is a library, but its C_GetFunctionList is none: whatever happens is reported."""
    findings = doctor(vault_folder, 1, STRONGROOM_VAULT_TOKEN_MODULE="libc.so.6")
    assert failed(findings) & {"open", "diagnostics"}


def test_files_that_others_can_read(vault_folder: VaultFolder) -> None:
    settings = vault_folder.settings()
    settings.listen.key_file.chmod(0o644)
    settings.token.pin_file.chmod(0o640)
    findings = doctor(vault_folder, 1)
    assert failed(findings) == {"PIN file", "TLS key", "open"}


def test_files_that_are_missing(vault_folder: VaultFolder) -> None:
    settings = vault_folder.settings()
    listen, tokens = settings.listen, settings.access_tokens
    assert tokens.jwks_file is not None
    for path in (
        listen.key_file,
        listen.certificate_file,
        tokens.jwks_file,
        settings.token.pin_file,
    ):
        path.unlink()
    findings = doctor(vault_folder, 1)
    helps = {
        "PIN file": "STRONGROOM_VAULT_TOKEN_PIN_FILE",
        "TLS key": "strongroom-vault self-signed FOLDER",
        "TLS certificate": "strongroom-vault self-signed FOLDER",
        "JWK set": "strongroom-vault token create-issuer FOLDER",
        "open": "STRONGROOM_VAULT_TOKEN_PIN_FILE",
    }
    assert failed(findings) == set(helps)
    for check, words in helps.items():
        assert words in f"{findings[check]['detail']} {findings[check]['hint']}"
        assert "Errno" not in findings[check]["detail"]
