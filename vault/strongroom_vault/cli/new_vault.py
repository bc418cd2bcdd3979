"""The options of `strongroom-vault init --new`, and the choice that they make."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

import click

from strongroom_vault.operator.new_vault import Choice
from strongroom_vault.settings.template import HsmToken

if TYPE_CHECKING:
    from collections.abc import Callable


class NewVaultOptions(TypedDict):
    """The values of these options."""

    vault_id: str | None
    address: str | None
    listen: str | None
    module: Path | None
    label: str | None
    pin_file: Path | None
    certificate: Path | None
    key: Path | None
    jwks: str | None
    self_signed: bool
    development_issuer: bool


_A_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True, resolve_path=True)
_NEW_VAULT_OPTIONS: Final = (
    click.option("--id", "vault_id", help="With --new: the vault's id, 1 to 64 of [a-z0-9.-]."),
    click.option("--address", help="With --new: host:port by which clients call it."),
    click.option(
        "--listen",
        help="With --new: host:port to listen at.  [default: all of this machine]",
    ),
    click.option(
        "--module",
        type=_A_FILE,
        help="With --new: the PKCS#11 module of your HSM.  [default: SoftHSM, in software]",
    ),
    click.option("--label", help="With --module: the token's label."),
    click.option("--pin-file", type=_A_FILE, help="With --module: the file with its user PIN."),
    click.option("--certificate", type=_A_FILE, help="With --new: your TLS certificate's chain."),
    click.option("--key", type=_A_FILE, help="With --certificate: its private key, mode 0600."),
    click.option("--jwks", help="With --new: file or https URL of your issuer's JWK set."),
    click.option(
        "--self-signed", is_flag=True, help="With --new: make a TLS certificate, for development."
    ),
    click.option(
        "--development-issuer",
        is_flag=True,
        help="With --new: make an issuer of access tokens, for development.",
    ),
)


def new_vault_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of a new vault."""
    for option in reversed(_NEW_VAULT_OPTIONS):
        command = option(command)
    return command


def choice_of(options: NewVaultOptions, *, is_new: bool) -> Choice | None:
    """Return the choice, None without --new.

    Raises:
        click.UsageError: the options do not fit together.
    """
    given = {name for name, value in options.items() if value}
    if not is_new:
        if given:
            raise click.UsageError(f"{_option(min(given))} goes with --new")
        return None
    vault_id, address = options["vault_id"], options["address"]
    if not vault_id or not address:
        raise click.UsageError("--new needs --id and --address")
    tls = {"certificate", "key"} & given
    if len(tls) == 1:
        raise click.UsageError("--certificate and --key go together")
    if tls and options["self_signed"]:
        raise click.UsageError("choose one: --certificate or --self-signed")
    if options["jwks"] and options["development_issuer"]:
        raise click.UsageError("choose one: --jwks or --development-issuer")
    return Choice(
        vault_id=vault_id,
        address=address,
        listen=options["listen"],
        hsm=_hsm(options["module"], options["label"], options["pin_file"]),
        certificate_file=options["certificate"],
        key_file=options["key"],
        jwks=_jwks(options["jwks"]),
        is_self_signed=options["self_signed"],
        has_own_issuer=options["development_issuer"],
    )


def _hsm(module: Path | None, label: str | None, pin_file: Path | None) -> HsmToken | None:
    """Return the token of an HSM, None for one that is made with SoftHSM."""
    if module and label and pin_file:
        return HsmToken(module, label, pin_file)
    if module or label or pin_file:
        raise click.UsageError("an HSM needs --module, --label and --pin-file")
    return None


def _option(name: str) -> str:
    return "--id" if name == "vault_id" else f"--{name.replace('_', '-')}"


def _jwks(text: str | None) -> str | None:
    """Return a URL as it is, a file's path from the root."""
    if text is None or text.startswith("https://"):
        return text
    if "://" in text:
        raise click.UsageError("--jwks takes a file or an https URL")
    return str(Path(text).absolute())
