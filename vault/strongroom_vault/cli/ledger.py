"""Commands for the database and its anchor: backup, restore, anchor, audit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.cli.help import Command, Group, also_exits_with, examples
from strongroom_vault.cli.options import with_settings
from strongroom_vault.cli.reports import report
from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.operator import anchor as anchors
from strongroom_vault.operator import audit_log, backup_restore

if TYPE_CHECKING:
    from strongroom_vault.ledger.head import Head
    from strongroom_vault.operator.anchor import AnchorStatus
    from strongroom_vault.settings.config import Settings

_ACCEPTED: Final = "Accepted. Every key has one attempt at most until its next success."


@click.group(cls=Group)
def anchor() -> None:
    """Compare the database with the newest commit that the token remembers."""


@also_exits_with(WrongPin.exit_code)
@anchor.command("show", epilog=examples("anchor show", "anchor show --json"))
@with_settings
def anchor_show(settings: Settings, *, as_json: bool) -> None:
    """Compare database and anchor. Exit code 1 if the vault would not serve."""
    status = anchors.anchor_status(settings)
    click.echo(_status_json(status) if as_json else _status_table(status))
    if status.problem:
        raise OperatorError(status.problem)


@also_exits_with(WrongPin.exit_code)
@anchor.command("accept", epilog=examples("anchor accept"))
@click.option("--vault-id", help="The vault's id, to confirm without a prompt.")
@with_settings
def anchor_accept(settings: Settings, vault_id: str | None, *, as_json: bool) -> None:
    """Accept an older database; later commits are lost.

    What newer commits held is forgotten: registrations, deletions, destructions. Every key is left
    with one attempt at most until its next success. The vault must be stopped.
    """
    status = anchors.anchor_status(settings)
    if not as_json:
        click.echo(_status_table(status), err=True)
    lost = anchors.lost_keys(settings) if status.problem else 0
    if status.problem:
        if not as_json:
            _show_loss(status, lost)
        elif vault_id is None:
            raise click.UsageError("with --json nothing is asked: add --vault-id")
        typed = vault_id or click.prompt("Type the vault's id to accept the loss", err=True)
        if typed != settings.vault.id:
            raise OperatorError("that is not the vault's id; nothing was changed")
    anchors.accept_loss(settings)
    if as_json:
        click.echo(_status_json(status, lost_keys=lost))
    else:
        click.echo(_ACCEPTED, err=True)


def _show_loss(status: AnchorStatus, lost: int) -> None:
    click.echo(f"{status.problem}.", err=True)
    if status.missing > 0:
        click.echo("What these commits held is lost permanently.", err=True)
    if lost:
        click.echo(_lost_keys(lost), err=True)


def _lost_keys(count: int) -> str:
    return (
        f"{count} of its keys {'is' if count == 1 else 'are'} lost: a rotation, an attempt limit or"
        f" a deletion has destroyed what opened {'it' if count == 1 else 'them'} in the token"
    )


def _status_table(status: AnchorStatus) -> str:
    anchored = "nothing" if status.anchored is None else f"commit {status.anchored.epoch}"
    written = datetime.fromtimestamp(status.head.time / 1000, UTC)
    return "\n".join(
        (
            f"database  commit {status.head.epoch}, written {written:%Y-%m-%d %H:%M:%S} UTC",
            f"anchor    {anchored}",
            f"loss      {_loss(status.head)}",
        )
    )


def _loss(head: Head) -> str:
    return f"accepted at commit {head.loss_epoch}" if head.loss_epoch else "none accepted"


def _status_json(status: AnchorStatus, **more: int) -> str:
    return json.dumps(
        {
            "database_epoch": status.head.epoch,
            "anchor_epoch": status.anchored.epoch if status.anchored else None,
            "written_at": status.head.time,
            "loss_epoch": status.head.loss_epoch,
            "problem": status.problem,
            **more,
        }
    )


@click.group(cls=Group)
def audit() -> None:
    """Verify or export the log of registrations, attempts, releases and losses."""


@also_exits_with(WrongPin.exit_code)
@audit.command("verify", epilog=examples("audit verify"))
@with_settings
def audit_verify(settings: Settings, *, as_json: bool) -> None:
    """Recompute the log's chain up to the anchor."""
    count = audit_log.verify(settings)
    events = "1 event" if count == 1 else f"{count} events"
    report({"events": count}, f"{events}, none changed, none missing", as_json=as_json)


@audit.command("export", epilog=examples("audit export > events.jsonl"))
@with_settings
def audit_export(settings: Settings, *, as_json: bool) -> None:  # noqa: ARG001 -- always JSON
    """Print every event as a line of JSON."""
    for body in audit_log.export(settings):
        click.echo(body)


@also_exits_with(WrongPin.exit_code)
@click.command(cls=Command, epilog=examples("backup copy.db"))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@with_settings
def backup(settings: Settings, target: Path, *, as_json: bool) -> None:
    """Copy the store to TARGET; the vault may go on serving."""
    if str(target) == "-":
        raise click.UsageError("TARGET is a file; the copy cannot go to the standard output")
    epoch = backup_restore.backup(settings, target).head.epoch
    message = f"{target} holds commit {epoch}"
    report({"path": str(target), "epoch": epoch}, message, as_json=as_json)


@also_exits_with(WrongPin.exit_code)
@click.command(cls=Command, epilog=examples("restore copy.db", "restore copy.db --older"))
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--older", is_flag=True, help="Take a copy older than the anchor; then accept the loss."
)
@with_settings
def restore(settings: Settings, source: Path, *, older: bool, as_json: bool) -> None:
    """Replace the store with the copy SOURCE.

    Every row is verified first, and the old store is kept beside the new one.
    """
    status, lost = backup_restore.restore(settings, source, older=older)
    if as_json:
        click.echo(_status_json(status, lost_keys=lost))
        return
    click.echo(f"restored commit {status.head.epoch}; the old store is kept beside it", err=True)
    if lost:
        click.echo(_lost_keys(lost), err=True)
    if status.problem:
        click.echo(f"{status.problem}; run strongroom-vault anchor accept", err=True)


COMMANDS: Final = (backup, restore, anchor, audit)
