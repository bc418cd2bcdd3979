"""The command `strongroom-vault`, for operators. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
import textwrap
import time
from base64 import urlsafe_b64encode
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from click.core import ParameterSource

from strongroom_protocol import __version__
from strongroom_protocol.terminal import streams
from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_vault import demo
from strongroom_vault.cli import reports
from strongroom_vault.cli.new_vault_options import choice_of, new_vault_options
from strongroom_vault.cli.reports import PROGRAM, ask_first, json_option, tell
from strongroom_vault.errors import NotServing, OperatorError
from strongroom_vault.operator import (
    backup_restore,
    development,
    development_ca,
    doctor,
    invites,
    issuer,
    new_vault,
)
from strongroom_vault.operator import bench as benchmark
from strongroom_vault.operator import init as initialisation
from strongroom_vault.platform import logs
from strongroom_vault.platform.hardening import harden
from strongroom_vault.settings import config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.api.vault_status import VaultStatus
    from strongroom_vault.hsm.token.diagnostics import Finding
    from strongroom_vault.ledger.head import Head
    from strongroom_vault.operator.admin_client import AdminClient
    from strongroom_vault.operator.bench import Rate
    from strongroom_vault.settings.config import Settings
    from strongroom_vault.v1 import admin_pb2 as pb

SCOPES: Final = "register recover read delete"

_settings_option = click.option(
    "--config",
    "settings_file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("strongroom-vault.toml"),
    show_default=True,
    envvar="STRONGROOM_VAULT_CONFIG",
    help="The settings file.",
)
_folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


def main() -> None:
    """Run the command; an error is a sentence (or JSON) and its exit code, never a traceback."""
    streams.prepare()
    harden()  # most commands hold the PIN
    try:
        code = cli.main(prog_name=PROGRAM, standalone_mode=False) or 0
    except OperatorError as error:
        code = reports.refuse(str(error), error.hint, error.exit_code)
    except click.UsageError as error:
        code = _misused(error)
    except click.Abort as error:
        is_interrupted = isinstance(error.__cause__, KeyboardInterrupt)
        code = reports.refuse("aborted", "", INTERRUPTED if is_interrupted else 1)
    except OSError as error:
        if error.filename != "stdout":
            raise
        code = reports.refuse(f"cannot write to stdout: {error.strerror}", "", 1)
    sys.exit(code)


def _misused(error: click.UsageError) -> int:
    """Say how a command is used; one that was given nothing shows its help."""
    if not reports.wants_json(sys.argv[1:]):
        error.show()
        return error.exit_code
    hint = "" if error.ctx is None else f"{error.ctx.command_path} --help says how."
    return reports.refuse(error.format_message(), hint, error.exit_code)


def _examples(*lines: str) -> str:
    """Return what stands at the end of a command's help, in lines that click leaves as they are."""
    shown = "\n".join(f"  {PROGRAM} {line}" for line in lines)
    return f"\b\nExamples:\n{shown}"


@click.group(
    cls=reports.Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_examples("doctor", "init", "serve", "status --json"),
)
@click.version_option(__version__)
def cli() -> None:
    """Run a Strongroom vault over a PKCS#11 token.

    The settings come from one file (--config, or STRONGROOM_VAULT_CONFIG). With --json, a command
    reports as JSON on stdout, and why it failed as JSON on stderr.
    """


@cli.command(
    epilog=_examples(
        "init",
        "init --yes > identity",
        "init --new /srv/vault --id vault.example --address vault.example:7443",
    ),
    exit_codes=(3,),
)
@_settings_option
@click.option("--yes", is_flag=True, help="Do not ask.")
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
    **options: Any,  # noqa: ANN401 -- those of a new vault
) -> None:
    """Make the vault's keys in the token, and an empty store.

    Shows what is there and what it will make, asks, and never overwrites anything. It may be
    repeated: after a crash it goes on, and where nothing is missing it only prints the identity.
    With --new it makes settings and all else first, in a folder of its own, where SoftHSM's token
    is too, unless --module names another.
    """
    choice = choice_of(options, is_new=folder is not None)
    if folder is not None and choice is not None:
        if context.get_parameter_source("settings_file") is ParameterSource.COMMANDLINE:
            raise click.UsageError("--new makes settings of its own: leave --config out")
        settings_file = new_vault.make(folder, choice)
        settings = config.load(settings_file, {})
        yes = yes or choice.hsm is None  # a token that is this vault's alone can lose nothing
    else:
        settings = _load(settings_file)
    plan = initialisation.make_plan(settings)
    if not as_json:
        for line in _plan_lines(settings, plan):
            click.echo(line, err=True)
    ask_first("Go on?", yes=yes or plan.is_done, as_json=as_json)
    identity = initialisation.carry_out(settings, plan, new_store=new_store)
    if as_json:
        report = _made(settings, plan, identity)
        if folder is not None:
            report |= {
                "settings": str(settings_file),
                "needs": list(new_vault.missing(settings)),
            }
        click.echo(json.dumps(report))
        return
    done = "There is nothing to do." if plan.is_done else "The vault is ready."
    click.echo(f"{done} Its identity, for clients to pin:", err=True)
    click.echo(_identity(identity))
    if folder is not None:
        _tell_what_comes_next(settings, settings_file)


def _tell_what_comes_next(settings: Settings, settings_file: Path) -> None:
    """Say how a new vault is served, and what it lacks until it can be."""
    lacks = list(new_vault.missing(settings))
    if lacks:
        click.echo("\nBefore it can serve, it needs", err=True)
    for sentence in lacks:
        click.echo(f"- {sentence}", err=True)
    if os.geteuid() == 0:
        click.echo(
            "\nIts files are root's. A vault should run as a user of its own: give them to it"
            f" (chown -R USER {shlex.quote(str(settings_file.parent))})",
            err=True,
        )
    option = f"--config {shlex.quote(str(settings_file))}"
    click.echo(f"\nServe it:         {PROGRAM} serve {option}", err=True)
    click.echo(f"Invite clients:   {PROGRAM} invite {option}", err=True)


@cli.command(epilog=_examples("invite", "invite --address vault.example:7443"), exit_codes=(3,))
@_settings_option
@click.option("--address", help="What clients call it, host:port.  [default: public_address]")
@json_option
def invite(settings_file: Path, address: str | None, *, as_json: bool) -> None:
    """Print an invite to this vault, for clients. Nothing in it is secret.

    It names address, vault id, identity and, unless the TLS certificate is of a public authority,
    the fingerprint of its authority. It stays good while these stay. The vault may be running.
    """
    settings = _load(settings_file)
    made = invites.invite_for(settings, _identity_of(settings), address)
    says = {
        "address": made.address,
        "vault_id": made.vault_id,
        "identity": _identity(made.identity),
        "ca_fingerprint": made.ca_fingerprint.hex(),
    }
    if as_json:
        click.echo(json.dumps({"invite": made.encode(), **says}))
        return
    for name, value in says.items():
        click.echo(f"{name.replace('_', ' '):<16}{value or 'none: a public authority'}", err=True)
    click.echo(made.encode())


def _identity_of(settings: Settings) -> bytes:
    """Ask the running vault, or else the token: an HSM need not take another session for this."""
    from strongroom_vault.operator.admin_client import AdminClient  # noqa: PLC0415 -- gRPC, as in serve

    try:
        with AdminClient.connect(settings.listen.admin_socket) as vault:
            return vault.status().identity_public_key
    except OperatorError:
        return initialisation.identity_of(settings)


@cli.command(epilog=_examples("dev", "dev --keep ~/vault"))
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep it in this folder for the next time: the same token, identity and invite.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="Where to listen.  [default: 7443]")
@json_option
def dev(keep: Path | None, port: int | None, *, as_json: bool) -> None:
    """Serve a throw-away vault FOR DEVELOPMENT.

    Prints what a client needs: an invite and an access token. It takes no settings, and listens on
    this machine only. Needs SoftHSM (Debian and Ubuntu: apt-get install softhsm2).
    """
    development.run(keep, port, click.echo, as_json=as_json)


@cli.command(
    epilog=_examples("serve", "serve --config /etc/strongroom/strongroom-vault.toml"),
    exit_codes=(3,),
)
@_settings_option
@json_option
def serve(settings_file: Path, *, as_json: bool) -> None:  # noqa: ARG001 -- see reports.refuse
    """Serve until SIGTERM or Ctrl-C. Logs are JSON lines on stderr."""
    from strongroom_vault.server import server  # noqa: PLC0415 -- gRPC, which few commands need

    logs.configure()
    asyncio.run(server.VaultServer(_load(settings_file)).run())


@cli.command(epilog=_examples("status", "status --json"), exit_codes=(4,))
@_settings_option
@json_option
def status(settings_file: Path, *, as_json: bool) -> None:
    """Ask the running vault how it does. Exit code 4 if it runs but does not serve."""
    with _running(settings_file) as vault:
        found = vault.status()
    click.echo(_status_json(found) if as_json else _status_table(found))
    if not found.serving:
        raise NotServing("the vault does not serve")


@cli.command(epilog=_examples("drain", "drain --end"))
@click.option("--end", is_flag=True, help="Take calls again.")
@_settings_option
@json_option
def drain(settings_file: Path, *, end: bool, as_json: bool) -> None:
    """Take no new calls, and wait for those under way.

    Health checks say NOT_SERVING a second later at most. Calls are refused uncharged, and clients
    try again. It lasts until --end, or until the vault is started anew.
    """
    with _running(settings_file) as vault:
        vault.drain(end=end)
        while not end and (found := vault.status()).in_flight:
            if not found.draining:
                raise OperatorError("somebody else had the vault take calls again")
            time.sleep(0.05)
    said = "serving again" if end else "drained: no call is under way"
    tell({"draining": not end}, said, as_json=as_json)


@cli.command(
    "reload-certificate", epilog=_examples("reload-certificate", "reload-certificate --json")
)
@_settings_option
@json_option
def reload_certificate(settings_file: Path, *, as_json: bool) -> None:
    """Have the running vault read its TLS certificate again.

    New connections use them at once, open ones go on. If they will not do, the vault keeps those
    that it has, and this command says why. SIGHUP does the same, and the log says how it went.
    """
    with _running(settings_file) as vault:
        ends_at = vault.reload_certificate()
    until = datetime.fromtimestamp(ends_at / 1000, UTC)
    said = f"reloaded: the certificate is good until {until:%Y-%m-%d %H:%M:%S} UTC"
    tell({"ends_at": ends_at}, said, as_json=as_json)


@cli.group()
def records() -> None:
    """What the running vault holds for an account."""


@records.command("show", epilog=_examples("records show alice", "records show alice --json"))
@click.argument("account")
@_settings_option
@json_option
def records_show(account: str, settings_file: Path, *, as_json: bool) -> None:
    """Show the state and the attempts of ACCOUNT's record.

    Nothing of it is secret. The record id stands for the account in database and audit log.
    """
    with _running(settings_file) as vault:
        record = vault.show_record(account)
    fields = _record_fields(record)
    if as_json:
        click.echo(json.dumps(fields))
        return
    for name, value in fields.items():
        click.echo(f"{name.replace('_', ' '):<16}{value}")


@records.command("delete", epilog=_examples("records delete alice", "records delete alice --yes"))
@click.argument("account")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_settings_option
@json_option
def records_delete(account: str, settings_file: Path, *, yes: bool, as_json: bool) -> None:
    """Delete ACCOUNT's key for good, as its owner could.

    Without its 64 digits the backup is lost.
    """
    ask_first(f"Delete the backup key of {account!r} for good?", yes=yes, as_json=as_json)
    with _running(settings_file) as vault:
        vault.delete_record(account)
    tell({"account": account, "state": "deleted"}, "deleted", as_json=as_json)


@cli.command("rotate-wrap-key", epilog=_examples("rotate-wrap-key", "rotate-wrap-key --status"))
@click.option("--status", "only_look", is_flag=True, help="Say how far a rotation is, as JSON.")
@_settings_option
@json_option
def rotate_wrap_key(settings_file: Path, *, only_look: bool, as_json: bool) -> None:
    """Rewrap every OPRF key, then destroy the old wrap key.

    The vault goes on serving. Ctrl-C ends this display, not the rotation; --status says how far it
    is. After a crash, run it again: it goes on. Once it is done, running it again begins another.
    Afterwards no older copy of the database opens, so make a backup when it is done.
    """
    with _running(settings_file) as vault:
        if only_look:
            click.echo(_rotation_json(vault.rotation()))
            return
        vault.rotate_wrap_key()
        progress = _watch_rotation(vault, is_shown=not as_json)
    if progress.stage == "failed":
        raise OperatorError(f"the rotation was cut off: {progress.problem}")
    if as_json:
        click.echo(_rotation_json(progress))
    else:
        said = f"{progress.rewrapped} records are under wrap key {progress.wrap_key}"
        click.echo(said, err=True)


def _watch_rotation(vault: AdminClient, *, is_shown: bool) -> pb.GetRotationResponse:
    """Wait for the end of a rotation, and show how far it is."""
    bar = click.progressbar(length=1000, label="rewrapping", file=sys.stderr, hidden=not is_shown)
    with bar:
        done = 0
        while (progress := vault.rotation()).stage not in {"done", "failed"}:
            reached = 1000 * progress.buckets_done // max(1, progress.buckets)
            bar.update(max(0, reached - done))
            done = max(done, reached)
            time.sleep(0.2)
        bar.update(1000 - done)
    return progress


@cli.command("doctor", epilog=_examples("doctor", "doctor --json"))
@_settings_option
@json_option
def examine(settings_file: Path, *, as_json: bool) -> None:
    """Try everything that the vault needs of files and token. Exit code 1 if it could not run.

    Works before init and after, also while the vault serves. Leaves nothing in the token.
    """
    findings, settings = [], _load(settings_file)
    for finding in doctor.examine(settings):
        click.echo(msgspec.json.encode(finding) if as_json else _finding_lines(finding))
        findings.append(finding)
    residencies = doctor.usable(findings)
    if settings.token.residency not in residencies:
        raise OperatorError("the vault cannot run with these settings and this token")
    if not as_json:
        click.echo(f"The vault can run, with residency = {' or '.join(residencies)}.", err=True)


@cli.command("bench", epilog=_examples("bench", "bench --seconds 10 --json"), exit_codes=(3,))
@_settings_option
@click.option(
    "--seconds",
    default=3.0,
    show_default=True,
    type=click.FloatRange(0.1, 600),
    help="How long each is measured.",
)
@json_option
def bench(settings_file: Path, seconds: float, *, as_json: bool) -> None:
    """Measure how fast token and disk are for a vault.

    After init; leaves nothing behind. Recoveries wait for the token, here two for each worker;
    those that come together share one commit and one move of the anchor. Do it while nothing else
    uses the token.
    """
    logs.configure()
    for rate in benchmark.measure(_load(settings_file), seconds):
        click.echo(json.dumps(asdict(rate)) if as_json else _rate_line(rate))


@cli.group()
def anchor() -> None:
    """The newest commit of the database, as the token knows it."""


@anchor.command("show", epilog=_examples("anchor show", "anchor show --json"), exit_codes=(3,))
@_settings_option
@json_option
def anchor_show(settings_file: Path, *, as_json: bool) -> None:
    """Say how database and anchor stand to each other. Exit code 1 if the vault would not serve."""
    found = backup_restore.anchor_status(_load(settings_file))
    click.echo(_standing_json(found) if as_json else _standing_table(found))
    if found.problem:
        raise OperatorError(found.problem)


@anchor.command("accept", epilog=_examples("anchor accept"), exit_codes=(3,))
@_settings_option
@click.option("--vault-id", help="The vault's id, given here instead of typed.")
@json_option
def anchor_accept(settings_file: Path, vault_id: str | None, *, as_json: bool) -> None:
    """Serve from an older database; the newer one is lost.

    What newer commits said is forgotten: registrations, deletions, destructions. Every key is left
    with one attempt at most until its next success. The vault must be down.
    """
    settings = _load(settings_file)
    found = backup_restore.anchor_status(settings)
    if not as_json:
        click.echo(_standing_table(found), err=True)
    lost = backup_restore.lost_keys(settings) if found.problem else 0
    if found.problem:
        if not as_json:
            _tell_loss(found, lost)
        elif vault_id is None:
            raise click.UsageError("with --json nothing is asked: add --vault-id")
        typed = vault_id or click.prompt("Type the vault's id to accept the loss", err=True)
        if typed != settings.vault.id:
            raise OperatorError("that is not the vault's id; nothing was changed")
    backup_restore.accept_loss(settings)
    if as_json:
        click.echo(_standing_json(found, lost_keys=lost))
    else:
        click.echo("Accepted. Every key has one attempt at most until its next success.", err=True)


def _tell_loss(found: backup_restore.AnchorStatus, lost: int) -> None:
    click.echo(f"{found.problem}.", err=True)
    if found.missing > 0:
        click.echo("What these commits held is lost for good.", err=True)
    if lost:
        click.echo(_lost(lost), err=True)


@cli.group()
def audit() -> None:
    """The log of every registration, attempt, release, loss."""


@audit.command("verify", epilog=_examples("audit verify"), exit_codes=(3,))
@_settings_option
@json_option
def audit_verify(settings_file: Path, *, as_json: bool) -> None:
    """Recompute the log's chain up to the anchor."""
    count = backup_restore.verify_audit(_load(settings_file))
    tell({"events": count}, f"{count} events, none changed, none missing", as_json=as_json)


@audit.command("export", epilog=_examples("audit export > events.jsonl"))
@_settings_option
@json_option
def audit_export(settings_file: Path, *, as_json: bool) -> None:  # noqa: ARG001 -- it always is
    """Print every event as a line of JSON."""
    for body in backup_restore.export_audit(_load(settings_file)):
        click.echo(body)


@cli.command(epilog=_examples("backup copy.db"), exit_codes=(3,))
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@_settings_option
@json_option
def backup(target: Path, settings_file: Path, *, as_json: bool) -> None:
    """Copy the store to TARGET; the vault may go on serving."""
    found = backup_restore.backup(_load(settings_file), target)
    epoch = found.head.epoch
    tell({"path": str(target), "epoch": epoch}, f"{target} holds commit {epoch}", as_json=as_json)


@cli.command(epilog=_examples("restore copy.db", "restore copy.db --older"), exit_codes=(3,))
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--older", is_flag=True, help="Take a copy that is older than the anchor; then accept the loss."
)
@_settings_option
@json_option
def restore(source: Path, settings_file: Path, *, older: bool, as_json: bool) -> None:
    """Put the copy SOURCE in the store's place.

    Every row of it is verified first, and the old store is kept beside the new one.
    """
    found, lost = backup_restore.restore(_load(settings_file), source, older=older)
    if as_json:
        click.echo(_standing_json(found, lost_keys=lost))
        return
    click.echo(f"restored commit {found.head.epoch}; what was there is kept beside it", err=True)
    if lost:
        click.echo(_lost(lost), err=True)
    if found.problem:
        click.echo(f"{found.problem}; run strongroom-vault anchor accept", err=True)


def _lost(count: int) -> str:
    return (
        f"{count} of its keys are lost: a rotation, an attempt limit or a deletion has destroyed"
        " what opened them in the token"
    )


@cli.group()
def token() -> None:
    """Access tokens for development. A deployment's identity provider issues its own."""


@token.command("create-issuer", epilog=_examples("token create-issuer ."))
@_folder_argument
@json_option
def create_issuer(folder: Path, *, as_json: bool) -> None:
    """Make a signing key in FOLDER for development.

    Prints the path of its JWK set, for [access_tokens].
    """
    _print_path("jwks_file", issuer.create_issuer(folder), as_json=as_json)


@token.command("issue", epilog=_examples("token issue . --vault-id vault.example --account alice"))
@_folder_argument
@click.option("--vault-id", required=True, help="The vault that the token is for.")
@click.option("--account", required=True, help="Whose token it is.")
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
    token = issuer.issue(folder, vault_id, account, scope, lifetime)
    click.echo(json.dumps({"access_token": token, "expires_in": lifetime}) if as_json else token)


@cli.command("demo", epilog=_examples("demo"))
def play_demo() -> None:
    """Play the whole story on this machine: backup, loss, thieves.

    Needs SoftHSM (Debian and Ubuntu: apt-get install softhsm2), 250 MB in the folder for temporary
    files, and half a minute; leaves nothing behind.
    """
    demo.play()


@cli.command("self-signed", epilog=_examples("self-signed . --host vault.example"))
@_folder_argument
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="What clients call the vault.  [default: those of before, or this machine]",
)
@json_option
def self_signed(folder: Path, hosts: tuple[str, ...], *, as_json: bool) -> None:
    """Make or renew a TLS certificate for development in FOLDER.

    It is signed by a small authority made there, too, which stays when it is renewed: clients that
    trust the authority go on.
    """
    development_ca.create_self_signed(folder, hosts)
    _print_path("certificate_file", folder / development_ca.CERTIFICATE_FILE, as_json=as_json)


def _print_path(name: str, path: Path, *, as_json: bool) -> None:
    click.echo(json.dumps({name: str(path)}) if as_json else path)


def _finding_lines(finding: Finding) -> str:
    """A finding in lines of at most 80 columns."""
    mark = {"ok": "ok", "failed": "FAILED", "note": "note"}[finding.state]
    start = f"{mark:<7}{finding.check:<21}"
    said = "\n".join(part for part in (finding.detail, finding.meaning, finding.hint) if part)
    lines = [line for part in said.splitlines() for line in textwrap.wrap(part, 80 - len(start))]
    return start + f"\n{' ' * len(start)}".join(lines)


def _rate_line(rate: Rate) -> str:
    percentiles = f"p50 {rate.p50_ms:7.2f} ms   p99 {rate.p99_ms:7.2f} ms"
    return f"{rate.what:<30}{rate.per_s:8.0f}/s   {percentiles}"


@contextmanager
def _running(settings_file: Path) -> Iterator[AdminClient]:
    """The vault that runs with these settings."""
    from strongroom_vault.operator.admin_client import AdminClient  # noqa: PLC0415 -- gRPC, as in serve

    with AdminClient.connect(_load(settings_file).listen.admin_socket) as vault:
        yield vault


def _record_fields(record: pb.ShowRecordResponse) -> dict[str, str | int]:
    fields: dict[str, str | int] = {
        "record_id": record.record_id.hex(),
        "state": record.state,
        "since": record.since.ToJsonString(),
        "charged": record.charged,
    }
    if record.state == "active":
        fields["attempt_limit"] = record.attempt_limit
        fields["attempts_left"] = record.attempts_left
        fields["key_id"] = record.key_id.hex()
        fields["residency"] = record.residency
        if record.residency == "wrapped":
            fields["wrap_key"] = record.wrap_key
        if record.HasField("last_started_at"):
            fields["last_started_at"] = record.last_started_at.ToJsonString()
    return fields


def _load(settings_file: Path) -> Settings:
    return config.load(settings_file, os.environ)


def _plan_lines(settings: Settings, plan: initialisation.Plan) -> Iterator[str]:
    """What init has found, and what it will make."""
    anchored = plan.anchored
    steps = [(f"key {label}", "is there") for label in plan.existing]
    steps += [(f"key {label}", "will be made") for label in plan.missing]
    steps.append((f"store {settings.store.path}", _there(is_there=plan.has_store)))
    if anchored is None:
        steps.append(("anchor", "will be made"))
    else:
        steps.append(("anchor", f"remembers commit {anchored.epoch}"))
    yield f"vault {settings.vault.id}, token {settings.token.label}"
    width = max(len(what) for what, _ in steps)
    for what, state in steps:
        yield f"  {what:<{width}}  {state}"


def _made(settings: Settings, plan: initialisation.Plan, identity: bytes) -> dict[str, Any]:
    made = [f"key {label}" for label in plan.missing]
    made += [] if plan.has_store else ["store"]
    made += [] if plan.anchored else ["anchor"]
    return {"vault_id": settings.vault.id, "identity": _identity(identity), "made": made}


def _there(*, is_there: bool) -> str:
    return "is there" if is_there else "will be made"


def _identity(public_key: bytes) -> str:
    """Return the 44 characters by which clients know the vault."""
    return urlsafe_b64encode(public_key).rstrip(b"=").decode()


def _standing_table(found: backup_restore.AnchorStatus) -> str:
    anchored = "nothing" if found.anchored is None else f"commit {found.anchored.epoch}"
    written = datetime.fromtimestamp(found.head.time / 1000, UTC)
    return "\n".join(
        (
            f"database  commit {found.head.epoch}, written {written:%Y-%m-%d %H:%M:%S} UTC",
            f"anchor    {anchored}",
            f"loss      {_loss_line(found.head)}",
        )
    )


def _standing_json(found: backup_restore.AnchorStatus, **more: int) -> str:
    return json.dumps(
        {
            "database_epoch": found.head.epoch,
            "anchor_epoch": found.anchored.epoch if found.anchored else None,
            "written_at": found.head.time,
            "loss_epoch": found.head.loss_epoch,
            "problem": found.problem,
            **more,
        }
    )


def _loss_line(head: Head) -> str:
    return f"accepted at commit {head.loss_epoch}" if head.loss_epoch else "none accepted"


def _rotation_json(progress: pb.GetRotationResponse) -> str:
    fields = {field.name: getattr(progress, field.name) for field in progress.DESCRIPTOR.fields}
    return json.dumps(fields)


def _status_json(found: VaultStatus) -> str:
    fields = asdict(found)
    fields["identity"] = _identity(fields.pop("identity_public_key"))
    return json.dumps(fields)


def _serving(found: VaultStatus) -> str:
    if found.draining:
        return f"no, drained by an operator; {found.in_flight} calls under way"
    return "yes" if found.serving else "no"


def _status_table(found: VaultStatus) -> str:
    started = datetime.fromtimestamp(found.started_at / 1000, UTC)
    return "\n".join(
        (
            f"vault          {found.vault_id}",
            f"identity       {_identity(found.identity_public_key)}",
            f"version        {found.version}",
            f"serving        {_serving(found)}",
            f"since          {started:%Y-%m-%d %H:%M:%S} UTC",
            (
                f"token workers  {found.token_workers_ready} of {found.token_workers} ready,"
                f" {found.token_workers_replaced} replaced"
            ),
            f"commits        {found.commits} with {found.changes} changed records",
        )
    )
