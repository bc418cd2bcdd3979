"""Access tokens and certificates for development."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jwt
from click.testing import CliRunner

from strongroom_vault.cli.commands import cli

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_says_what_was_asked_for(tmp_path: Path) -> None:
    runner = CliRunner()
    made = runner.invoke(cli, ["token", "create-issuer", str(tmp_path)])
    assert json.loads((tmp_path / made.output.strip()).read_text())["keys"]
    options = ["--vault-id", "vault.example", "--account", "alice", "--lifetime", "60"]
    issued = runner.invoke(cli, ["token", "issue", str(tmp_path), *options, "--json"])
    report = json.loads(issued.output)
    assert report["expires_in"] == 60
    claims = jwt.decode(report["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("alice", "vault.example")
    assert claims["scope"] == "register recover read delete"


def test_a_certificate_is_made_where_it_is_said(tmp_path: Path) -> None:
    made = CliRunner().invoke(cli, ["self-signed", str(tmp_path), "--host", "vault.example"])
    assert "BEGIN CERTIFICATE" in (tmp_path / made.output.strip()).read_text()
