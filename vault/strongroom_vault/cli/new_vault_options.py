"""The options of `strongroom-vault init --new`, and what an operator has chosen by them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from strongroom_vault.operator.new_vault import Choice
from strongroom_vault.settings.template import HsmToken

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

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


def new_vault_options(command: Command) -> Command:
    """Give a command the options of a new vault."""
    for option in reversed(_NEW_VAULT_OPTIONS):
        command = option(command)
    return command


def choice_of(options: dict[str, Any], *, is_new: bool) -> Choice | None:
    """Return what was chosen, None where nothing new is to be made.

    Raises:
        click.UsageError: the options do not fit together.
    """
    named = {name for name, value in options.items() if value}
    if not is_new:
        if named:
            raise click.UsageError(f"{_option(min(named))} goes with --new")
        return None
    _require({"vault_id", "address"} <= named, "--new needs --id and --address")
    hsm = {"module", "label", "pin_file"}
    _require(not named & hsm or hsm <= named, "an HSM needs --module, --label and --pin-file")
    tls = {"certificate", "key"}
    _require(not named & tls or tls <= named, "--certificate and --key go together")
    _require(
        not (named & tls and options["self_signed"]), "choose one: --certificate or --self-signed"
    )
    _require(
        not (options["jwks"] and options["development_issuer"]),
        "choose one: --jwks or --development-issuer",
    )
    return Choice(
        vault_id=options["vault_id"],
        address=options["address"],
        listen=options["listen"],
        hsm=HsmToken(*(options[name] for name in ("module", "label", "pin_file")))
        if options["module"]
        else None,
        certificate_file=options["certificate"],
        key_file=options["key"],
        jwks=_jwks(options["jwks"]),
        is_self_signed=options["self_signed"],
        has_own_issuer=options["development_issuer"],
    )


def _require(is_so: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads like assert
    if not is_so:
        raise click.UsageError(otherwise)


def _option(name: str) -> str:
    return "--id" if name == "vault_id" else f"--{name.replace('_', '-')}"


def _jwks(text: str | None) -> str | None:
    """Return a URL as it is, a file's path from the root."""
    if text is None or text.startswith("https://"):
        return text
    _require("://" not in text, "--jwks takes a file or an https URL")
    return str(Path(text).absolute())
