"""Commands for a running vault, over its admin socket."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.cli.help import Command, Group, also_exits_with, examples
from strongroom_vault.cli.options import with_settings, yes_option
from strongroom_vault.cli.reports import confirm, identity_text, report
from strongroom_vault.errors import NotServing, OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.api.vault_status import VaultStatus
    from strongroom_vault.operator.admin_client import AdminClient, ShownRecord
    from strongroom_vault.service.progress import Progress
    from strongroom_vault.settings.config import Settings

POLL_S: Final = 0.05
ROTATION_POLL_S: Final = 0.2


@contextmanager
def _running(settings: Settings) -> Iterator[AdminClient]:
    """Connect to the vault that runs with these settings."""
    from strongroom_vault.operator.admin_client import AdminClient  # noqa: PLC0415 -- loads gRPC

    with AdminClient.connect(settings.listen.admin_socket) as vault:
        yield vault


@also_exits_with(NotServing.exit_code)
@click.command(cls=Command, epilog=examples("status", "status --json"))
@with_settings
def status(settings: Settings, *, as_json: bool) -> None:
    """Show the state of the running vault. Exit code 4 if it is running but not serving."""
    with _running(settings) as vault:
        state = vault.status()
    click.echo(_status_json(state) if as_json else _status_table(state))
    if not state.serving:
        raise NotServing("the vault is not serving")


def _status_json(state: VaultStatus) -> str:
    fields = asdict(state)
    fields["identity"] = identity_text(fields.pop("identity_public_key"))
    return json.dumps(fields)


def _status_table(state: VaultStatus) -> str:
    started = datetime.fromtimestamp(state.started_at / 1000, UTC)
    return "\n".join(
        (
            f"vault          {state.vault_id}",
            f"identity       {identity_text(state.identity_public_key)}",
            f"version        {state.version}",
            f"serving        {_serving(state)}",
            f"since          {started:%Y-%m-%d %H:%M:%S} UTC",
            (
                f"token workers  {state.token_workers_ready} of {state.token_workers} ready,"
                f" {state.token_workers_replaced} replaced"
            ),
            f"commits        {state.commits} with {state.changes} changed records",
        )
    )


def _serving(state: VaultStatus) -> str:
    if state.draining:
        return f"no, drained by an operator; {state.in_flight} calls in flight"
    return "yes" if state.serving else "no"


@click.command(cls=Command, epilog=examples("drain", "drain --json"))
@with_settings
def drain(settings: Settings, *, as_json: bool) -> None:
    """Stop taking new calls, and wait for those in flight.

    Health checks report NOT_SERVING within a second. Calls are refused before anything is charged,
    and clients try again. It lasts until resume, or until the vault is restarted.
    """
    with _running(settings) as vault:
        vault.drain()
        while (state := vault.status()).in_flight:
            if not state.draining:
                raise OperatorError("somebody else has resumed the vault")
            time.sleep(POLL_S)
    report({"draining": True}, "drained: no call is in flight", as_json=as_json)


@click.command(cls=Command, epilog=examples("resume", "resume --json"))
@with_settings
def resume(settings: Settings, *, as_json: bool) -> None:
    """Take calls again after drain."""
    with _running(settings) as vault:
        vault.resume()
    report({"draining": False}, "serving again", as_json=as_json)


@click.command(
    "reload-certificate",
    cls=Command,
    epilog=examples("reload-certificate", "reload-certificate --json"),
)
@with_settings
def reload_certificate(settings: Settings, *, as_json: bool) -> None:
    """Have the running vault read its TLS certificate again.

    New connections use it at once; open ones stay as they are. If certificate and key cannot be
    used, the vault keeps the ones it has, and this command says why. SIGHUP does the same, and
    writes the result to the log.
    """
    with _running(settings) as vault:
        ends_at = vault.reload_certificate()
    until = datetime.fromtimestamp(ends_at / 1000, UTC)
    message = f"reloaded: the certificate is valid until {until:%Y-%m-%d %H:%M:%S} UTC"
    report({"ends_at": ends_at}, message, as_json=as_json)


@click.group(cls=Group)
def records() -> None:
    """Show or delete what the running vault holds for an account."""


@records.command("show", epilog=examples("records show alice", "records show alice --json"))
@click.argument("account")
@with_settings
def records_show(settings: Settings, account: str, *, as_json: bool) -> None:
    """Show the state and the attempts of ACCOUNT's record.

    None of it is secret. The record id stands for the account in database and audit log.
    """
    with _running(settings) as vault:
        record = vault.show_record(account)
    fields = _record_fields(record)
    if as_json:
        click.echo(json.dumps(fields))
        return
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' '):<16}{value}")


def _record_fields(record: ShownRecord) -> dict[str, str | int]:
    fields: dict[str, str | int] = {
        "record_id": record.record_id.hex(),
        "state": record.state,
        "since": record.since,
        "charged": record.charged,
    }
    if (key := record.active) is not None:
        fields["attempt_limit"] = key.attempt_limit
        fields["attempts_left"] = key.attempts_left
        fields["key_id"] = key.key_id.hex()
        fields["residency"] = key.residency
        if key.residency == "wrapped":
            fields["wrap_key"] = key.wrap_key
        if key.last_started_at is not None:
            fields["last_started_at"] = key.last_started_at
    return fields


@records.command("delete", epilog=examples("records delete alice", "records delete alice --yes"))
@click.argument("account")
@yes_option
@with_settings
def records_delete(settings: Settings, account: str, *, yes: bool, as_json: bool) -> None:
    """Delete ACCOUNT's key permanently, as its owner could.

    Whoever does not have the key's 64 digits loses the backup.
    """
    confirm(f"Delete the backup key of {account!r} permanently?", yes=yes, as_json=as_json)
    with _running(settings) as vault:
        vault.delete_record(account)
    report({"account": account, "state": "deleted"}, "deleted", as_json=as_json)


@click.command(
    "rotate-wrap-key", cls=Command, epilog=examples("rotate-wrap-key", "rotate-wrap-key --status")
)
@click.option("--status", "only_status", is_flag=True, help="Show the progress, as JSON.")
@with_settings
def rotate_wrap_key(settings: Settings, *, only_status: bool, as_json: bool) -> None:
    """Rewrap every OPRF key, then destroy the old wrap key.

    The vault goes on serving. Ctrl-C ends this display, not the rotation; --status shows its
    progress. After a crash, run it again and it continues. Once it is done, running it again begins
    another. Afterwards no older copy of the database opens, so make a backup when it is done.
    """
    with _running(settings) as vault:
        if only_status:
            click.echo(_rotation_json(vault.rotation()))
            return
        vault.rotate_wrap_key()
        progress = _watch_rotation(vault, is_shown=not as_json)
    if progress.stage.value == "failed":
        raise OperatorError(f"the rotation was cut off: {progress.problem}")
    if as_json:
        click.echo(_rotation_json(progress))
    else:
        records = "1 record is" if progress.rewrapped == 1 else f"{progress.rewrapped} records are"
        message = f"{records} under wrap key {progress.wrap_key}"
        click.echo(message, err=True)


def _watch_rotation(vault: AdminClient, *, is_shown: bool) -> Progress:
    """Wait for the end of a rotation, and show its progress."""
    bar = click.progressbar(length=1000, label="rewrapping", file=sys.stderr, hidden=not is_shown)
    with bar:
        done = 0
        while (progress := vault.rotation()).stage.value not in {"done", "failed"}:
            reached = 1000 * progress.buckets_done // max(1, progress.buckets)
            bar.update(max(0, reached - done))
            done = max(done, reached)
            time.sleep(ROTATION_POLL_S)
        bar.update(1000 - done)
    return progress


def _rotation_json(progress: Progress) -> str:
    return json.dumps(asdict(progress) | {"stage": progress.stage.value})


COMMANDS: Final = (status, drain, resume, reload_certificate, rotate_wrap_key, records)
