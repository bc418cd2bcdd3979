"""Commands that make a vault and invite clients to it: init, invite."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click
from click.core import ParameterSource

from strongroom_vault.cli.help import PROGRAM, Command, also_exits_with, examples
from strongroom_vault.cli.new_vault import NewVaultOptions, choice_of, new_vault_options
from strongroom_vault.cli.options import (
    json_option,
    load,
    settings_option,
    with_settings,
    yes_option,
)
from strongroom_vault.cli.reports import confirm, identity_text
from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.operator import init as initialisation
from strongroom_vault.operator import invites, new_vault
from strongroom_vault.settings import loading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.operator.init import Plan
    from strongroom_vault.settings.config import Settings


@also_exits_with(WrongPin.exit_code)
@click.command(
    cls=Command,
    epilog=examples(
        "init",
        "init --yes > identity",
        "init --new /srv/vault --id vault.example --address vault.example:7443",
    ),
)
@settings_option
@yes_option
@click.option(
    "--new-store",
    is_flag=True,
    help="The token has this vault's keys already: keep them, make an empty store.",
)
@click.option(
    "--new",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Make a whole vault in this folder: settings, token, store.",
)
@new_vault_options
@json_option
@click.pass_context
def init(
    context: click.Context,
    /,
    settings_file: Path,
    *,
    yes: bool,
    new_store: bool,
    folder: Path | None,
    as_json: bool,
    **options: Unpack[NewVaultOptions],
) -> None:
    """Make the vault's keys in the token, and an empty store.

    Shows what exists and what it will make, asks, and never overwrites anything. It may be
    repeated: after a crash it continues, and where nothing is missing it only prints the identity.
    With --new it first makes settings and everything else in a new folder, including a SoftHSM
    token unless --module names another.
    """
    choice = choice_of(options, is_new=folder is not None)
    if folder is not None and choice is not None:
        if context.get_parameter_source("settings_file") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--new makes its own settings file: leave out --config")
        settings_file = new_vault.make(folder, choice)
        settings = loading.load(settings_file, {})
        yes = yes or choice.hsm is None  # nothing can be lost in a token made for this vault
    else:
        settings = load(settings_file)
    plan = initialisation.make_plan(settings)
    if not as_json:
        for line in _plan_lines(settings, plan):
            click.echo(line, err=True)
    confirm("Continue?", yes=yes or plan.is_done, as_json=as_json)
    identity = initialisation.carry_out(settings, plan, new_store=new_store)
    if as_json:
        fields = _json_fields(settings, plan, identity)
        if folder is not None:
            fields |= {"settings": str(settings_file), "needs": list(new_vault.missing(settings))}
        click.echo(json.dumps(fields))
        return
    done = "There is nothing to do." if plan.is_done else "The vault is ready."
    click.echo(f"{done} Its identity, for clients to pin:", err=True)
    click.echo(identity_text(identity))
    if folder is not None:
        _show_next_steps(settings, settings_file)


def _show_next_steps(settings: Settings, settings_file: Path) -> None:
    """Say how a new vault is served, and what is missing until it can be."""
    missing = list(new_vault.missing(settings))
    if missing:
        click.echo("\nBefore it can serve, it needs", err=True)
    for sentence in missing:
        click.echo(f"- {sentence}", err=True)
    if os.geteuid() == 0:
        click.echo(
            "\nIts files belong to root. A vault should run as its own user: give them to it"
            f" (chown -R USER {shlex.quote(str(settings_file.parent))})",
            err=True,
        )
    option = f"--config {shlex.quote(str(settings_file))}"
    click.echo(f"\nServe it:         {PROGRAM} serve {option}", err=True)
    click.echo(f"Invite clients:   {PROGRAM} invite {option}", err=True)


def _plan_lines(settings: Settings, plan: Plan) -> Iterator[str]:
    """Return what exists, and what init will make."""
    anchored = plan.anchored
    steps = [(f"key {label}", "exists") for label in plan.existing]
    steps += [(f"key {label}", "will be made") for label in plan.missing]
    store = "exists" if plan.has_store else "will be made"
    steps.append((f"store {settings.store.path}", store))
    anchor = "will be made" if anchored is None else f"remembers commit {anchored.epoch}"
    steps.append(("anchor", anchor))
    yield f"vault {settings.vault.id}, token {settings.token.label}"
    width = max(len(name) for name, _ in steps)
    for name, state in steps:
        yield f"  {name:<{width}}  {state}"


def _json_fields(settings: Settings, plan: Plan, identity: bytes) -> dict[str, object]:
    made = [f"key {label}" for label in plan.missing]
    made += [] if plan.has_store else ["store"]
    made += [] if plan.anchored else ["anchor"]
    return {"vault_id": settings.vault.id, "identity": identity_text(identity), "made": made}


@also_exits_with(WrongPin.exit_code)
@click.command(cls=Command, epilog=examples("invite", "invite --address vault.example:7443"))
@with_settings
@click.option("--address", help="host:port for clients.  [default: public_address]")
def invite(settings: Settings, address: str | None, *, as_json: bool) -> None:
    """Print an invite to this vault, for clients. It holds no secret.

    It names address, vault id, identity and, unless the TLS certificate comes from a public
    authority, the fingerprint of its authority. It is valid until one of these changes. The vault
    may be running.
    """
    made = invites.invite_for(settings, _identity_of(settings), address)
    fields = {
        "address": made.address,
        "vault_id": made.vault_id,
        "identity": identity_text(made.identity),
        "ca_fingerprint": made.ca_fingerprint.hex(),
    }
    if as_json:
        click.echo(json.dumps({"invite": made.encode(), **fields}))
        return
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' '):<16}{value or 'none: a public authority'}", err=True)
    click.echo(made.encode())


def _identity_of(settings: Settings) -> bytes:
    """Ask the running vault, or else the token: an HSM may not allow another session."""
    from strongroom_vault.operator.admin_client import AdminClient  # noqa: PLC0415 -- loads gRPC

    try:
        with AdminClient.connect(settings.listen.admin_socket) as vault:
            return vault.status().identity_public_key
    except OperatorError:
        return initialisation.identity_of(settings)


COMMANDS: Final = (init, invite)
