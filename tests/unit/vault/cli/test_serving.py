"""Commands that run a vault; what they serve is tested in tests/integration."""

from __future__ import annotations

from click.testing import CliRunner

from strongroom_vault.cli.commands import cli


def test_a_vault_without_settings_is_not_served() -> None:
    done = CliRunner().invoke(cli, ["serve", "--config", "/nowhere/vault.toml"])
    assert done.exit_code == 1
    assert "/nowhere/vault.toml" in str(done.exception)


def test_a_port_is_one() -> None:
    for port in ("0", "65536", "http"):
        assert CliRunner().invoke(cli, ["dev", "--port", port]).exit_code == 2
