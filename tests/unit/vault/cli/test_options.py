"""Options that commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.testing import CliRunner

from strongroom_vault.cli.options import with_settings

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.settings.config import Settings


@click.command()
@with_settings
def show(settings: Settings, *, as_json: bool) -> None:
    """Show."""
    click.echo(f"{settings.vault.id} {as_json}")


def write(path: Path, vault_id: str) -> str:
    path.write_text(
        f'[vault]\nid = "{vault_id}"\n'
        '[token]\nmodule = "m.so"\nlabel = "l"\npin_file = "pin"\n'
        '[listen]\naddress = "localhost:7443"\ncertificate_file = "c"\nkey_file = "k"\n'
        'admin_socket = "s"\n[store]\npath = "store"\n[access_tokens]\njwks_file = "j"\n'
    )
    return str(path)


def test_a_command_gets_its_settings_from_the_option_or_the_environment(tmp_path: Path) -> None:
    one = write(tmp_path / "one.toml", "one.example")
    two = write(tmp_path / "two.toml", "two.example")
    runner = CliRunner()
    assert runner.invoke(show, ["--config", one]).output == "one.example False\n"
    named = {"STRONGROOM_VAULT_CONFIG": two}
    assert runner.invoke(show, ["--json"], env=named).output == "two.example True\n"
    assert runner.invoke(show, ["--config", one], env=named).output == "one.example False\n"
    changed = named | {"STRONGROOM_VAULT_VAULT_ID": "three.example"}
    assert runner.invoke(show, [], env=changed).output == "three.example False\n"
