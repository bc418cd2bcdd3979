"""Commands that make access tokens and a TLS certificate for development."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.cli.help import Command, Group, examples
from strongroom_vault.cli.options import folder_argument, json_option
from strongroom_vault.cli.reports import report_path
from strongroom_vault.operator import development_ca, issuer

if TYPE_CHECKING:
    from pathlib import Path

SCOPES: Final = "register recover read delete"


@click.group(cls=Group)
def token() -> None:
    """Access tokens for development. A deployment's identity provider issues its own."""


@token.command("create-issuer", epilog=examples("token create-issuer ."))
@folder_argument
@json_option
def create_issuer(folder: Path, *, as_json: bool) -> None:
    """Make a signing key in FOLDER for development.

    Prints the path of its JWK set, for [access_tokens].
    """
    report_path("jwks_file", issuer.create_issuer(folder), as_json=as_json)


@token.command("issue", epilog=examples("token issue . --vault-id vault.example --account alice"))
@folder_argument
@click.option("--vault-id", required=True, help="The vault that the token is for.")
@click.option("--account", required=True, help="The account that it is for.")
@click.option("--scope", default=SCOPES, show_default=True, help="What it allows.")
@click.option(
    "--lifetime",
    default=600,
    show_default=True,
    type=click.IntRange(1, 900),
    help="Seconds until it expires.",
)
@json_option
def issue(
    folder: Path, vault_id: str, account: str, scope: str, lifetime: int, *, as_json: bool
) -> None:
    """Print an access token signed by the issuer in FOLDER."""
    access_token = issuer.issue(folder, vault_id, account, scope, lifetime)
    fields = {"access_token": access_token, "expires_in": lifetime}
    click.echo(json.dumps(fields) if as_json else access_token)


@click.command("self-signed", cls=Command, epilog=examples("self-signed . --host vault.example"))
@folder_argument
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Host name of the vault.  [default: the names of before, or this machine]",
)
@json_option
def self_signed(folder: Path, hosts: tuple[str, ...], *, as_json: bool) -> None:
    """Make or renew a TLS certificate for development in FOLDER.

    It is signed by a small authority made there, too. The authority stays when the certificate is
    renewed, so clients that trust it need not change.
    """
    development_ca.create_self_signed(folder, hosts)
    certificate = folder / development_ca.CERTIFICATE_FILE
    report_path("certificate_file", certificate, as_json=as_json)


COMMANDS: Final = (token, self_signed)
