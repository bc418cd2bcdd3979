"""Commands that try a token and a machine: doctor, bench."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click
import msgspec

from strongroom_vault.cli.help import Command, also_exits_with, examples
from strongroom_vault.cli.options import with_settings
from strongroom_vault.cli.values import Seconds
from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.operator import bench as benchmark
from strongroom_vault.operator import doctor as checkup
from strongroom_vault.platform import logs

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.diagnostics import Finding
    from strongroom_vault.operator.bench import Rate
    from strongroom_vault.settings.config import Settings

COLUMNS: Final = 80
NARROW: Final = 60
"""Columns of a terminal too narrow for a finding's text beside its name."""


@click.command(cls=Command, epilog=examples("doctor", "doctor --json"))
@with_settings
def doctor(settings: Settings, *, as_json: bool) -> None:
    """Check that files and token are fit for the vault. Exit code 1 if it could not run.

    Works before init and after, also while the vault serves. Leaves nothing in the token.
    """
    columns = min(COLUMNS, shutil.get_terminal_size().columns)
    findings = []
    for finding in checkup.examine(settings):
        click.echo(msgspec.json.encode(finding) if as_json else _finding_lines(finding, columns))
        findings.append(finding)
    residencies = checkup.usable(findings)
    if settings.token.residency not in residencies:
        raise OperatorError("the vault cannot run with these settings and this token")
    if not as_json:
        click.echo(f"The vault can run, with residency = {' or '.join(residencies)}.", err=True)


def _finding_lines(finding: Finding, columns: int = COLUMNS) -> str:
    """Return a finding in lines of at most so many columns: its text beside or below its name."""
    mark = {"ok": "ok", "failed": "FAILED", "note": "note"}[finding.state]
    start = f"{mark:<7}{finding.check:<21}"
    text = "\n".join(part for part in (finding.detail, finding.meaning, finding.hint) if part)
    is_narrow = columns < NARROW
    margin = 2 if is_narrow else len(start)
    lines = [line for part in text.splitlines() for line in textwrap.wrap(part, columns - margin)]
    first = [start.rstrip()] if is_narrow else []
    shown = f"\n{' ' * margin}".join([*first, *lines])
    return shown if is_narrow else start + shown


@also_exits_with(WrongPin.exit_code)
@click.command(cls=Command, epilog=examples("bench", "bench --seconds 10 --json"))
@click.option(
    "--seconds",
    default=3.0,
    show_default=True,
    type=Seconds(0.1, 600),
    help="How long each measurement takes: 0.1 to 600.",
)
@with_settings
def bench(settings: Settings, seconds: float, *, as_json: bool) -> None:
    """Measure how fast the token and the disk are.

    Run it after init, and while nothing else uses the token; it leaves nothing behind. A recovery
    waits for the token, here with two under way for each worker; recoveries that arrive together
    share one commit and one move of the anchor.
    """
    logs.configure()
    for rate in benchmark.measure(settings, seconds):
        click.echo(json.dumps(asdict(rate)) if as_json else _rate_line(rate))


def _rate_line(rate: Rate) -> str:
    percentiles = f"p50 {rate.p50_ms:7.2f} ms   p99 {rate.p99_ms:7.2f} ms"
    return f"{rate.what:<30}{rate.per_s:8.0f}/s   {percentiles}"


COMMANDS: Final = (doctor, bench)
