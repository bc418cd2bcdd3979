"""Findings about files. `tests/integration/test_doctor.py` tries tokens."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from vault_process import SoftHsm, prepare_vault

from strongroom_vault.hsm.token.diagnostics import Finding
from strongroom_vault.operator import development_ca, doctor

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.settings.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a vault whose token has no module."""
    softhsm = SoftHsm(tmp_path, "/no/module.so", "label")
    softhsm.pin_file.write_text("1234")
    softhsm.pin_file.chmod(0o600)
    return prepare_vault(tmp_path / "vault", softhsm).settings()


def examined(settings: Settings) -> dict[str, Finding]:
    return {finding.check: finding for finding in doctor.examine(settings)}


def test_good_files_and_a_token_that_does_not_open(settings: Settings) -> None:
    findings = examined(settings)
    assert [name for name, found in findings.items() if found.state == "failed"] == ["open"]
    assert "/no/module.so" in findings["open"].detail
    assert findings["TLS certificate"].detail.startswith("valid until 20")
    assert doctor.usable(list(findings.values())) == ()


def test_usable_is_what_no_failure_forbids() -> None:
    note = Finding("derive", "note", "slow", "", ("token",))
    failed = Finding("destroy", "failed", "refused", "", ("token",))
    assert doctor.usable([]) == ("wrapped", "token")
    assert doctor.usable([note]) == ("wrapped", "token")
    assert doctor.usable([note, failed]) == ("wrapped",)


@pytest.mark.parametrize(
    ("days", "state"), [(-1, "failed"), (1, "note"), (13, "note"), (15, "ok"), (90, "ok")]
)
def test_a_certificate_that_expires_soon_is_noted(
    settings: Settings, days: int, state: str
) -> None:
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=30))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    settings.listen.certificate_file.write_bytes(pem)
    assert doctor._certificate(settings, with_key=False).state == state


def test_what_is_wrong_in_files_says_what_helps(settings: Settings) -> None:
    listen, tokens = settings.listen, settings.access_tokens
    listen.certificate_file.write_text("a poem")
    listen.key_file.chmod(0o640)
    assert tokens.jwks_file is not None
    tokens.jwks_file.unlink()
    findings = examined(settings)
    assert "is not a certificate in PEM" in findings["TLS certificate"].detail
    assert "[listen] certificate_file" in findings["TLS certificate"].detail
    assert "others can read" in findings["TLS key"].detail
    assert "mode 0600" in findings["TLS key"].hint
    assert "create-issuer" in findings["JWK set"].hint


def test_a_file_that_cannot_be_read_is_a_finding(settings: Settings) -> None:
    """It once ended the whole command."""
    listen, tokens = settings.listen, settings.access_tokens
    assert tokens.jwks_file is not None
    for path in (listen.certificate_file, listen.key_file, tokens.jwks_file):
        path.unlink()
        path.mkdir()
    findings = examined(settings)
    for check in ("TLS certificate", "TLS key", "JWK set"):
        assert "is a folder, not a file" in findings[check].detail


def test_a_key_of_another_certificate_is_a_finding(settings: Settings, tmp_path: Path) -> None:
    development_ca.create_self_signed(tmp_path / "other")
    other = (tmp_path / "other" / development_ca.KEY_FILE).read_bytes()
    settings.listen.key_file.write_bytes(other)
    findings = examined(settings)
    assert findings["TLS key"].state == "ok"
    assert "do not belong together" in findings["TLS certificate"].detail


def test_a_key_set_at_a_url_is_left_to_the_vault(tmp_path: Path) -> None:
    softhsm = SoftHsm(tmp_path, "/no/module.so", "label")
    tables = {"jwks_url": "https://issuer.example/jwks"}
    folder = prepare_vault(tmp_path / "vault", softhsm, access_tokens=tables)
    text = folder.settings_file.read_text().replace('jwks_file = "issuer.jwks.json"\n', "")
    folder.settings_file.write_text(text)
    found = examined(folder.settings())["JWK set"]
    assert (found.state, found.detail.split(",")[0]) == ("ok", "https://issuer.example/jwks")


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("import os; os.kill(os.getpid(), 11)", "the process ended with -11"),
        ("import time; time.sleep(600)", "no answer for 0.2 s"),
    ],
)
def test_a_module_that_crashes_or_hangs_is_a_finding(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    ending: str,
) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    if "sleep" in script:
        monkeypatch.setattr(doctor, "TIMEOUT_S", 0.2)
    found = examined(settings)["diagnostics"]
    assert (found.state, found.detail) == ("failed", ending)
    assert found.needed_for == ("wrapped", "token")
