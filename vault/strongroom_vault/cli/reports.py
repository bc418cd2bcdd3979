"""How the commands report: in sentences, or with --json as JSON, errors too.

With --json, stdout has what the command found, one JSON object a line, and stderr has one more if
it failed: `{"error": ..., "hint": ..., "exit_code": ...}`. Nothing else is printed or asked.
"""

from __future__ import annotations

import json
import sys
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import click

from strongroom_vault.cli.help import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def report(fields: Mapping[str, object], message: str, *, as_json: bool) -> None:
    """Report what was done: as JSON on stdout, or in a sentence on stderr."""
    if as_json:
        click.echo(json.dumps(fields))
    else:
        click.echo(message, err=True)


def report_path(name: str, path: Path, *, as_json: bool) -> None:
    """Report a file that was made, on stdout."""
    click.echo(json.dumps({name: str(path)}) if as_json else path)


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Go on only if the operator agrees: now, or with --yes before.

    Raises:
        click.Abort: they do not.
        click.UsageError: with --json nothing is asked.
    """
    if yes:
        return
    if as_json:
        raise click.UsageError(f"with --json nothing is asked ({question}): add --yes")
    click.confirm(question, abort=True, err=True)


def fail(error: str, hint: str, exit_code: int) -> int:
    """Say why a command failed, in the form that its caller reads; return the exit code."""
    if wants_json(sys.argv[1:]):
        fields = {"error": error, "hint": hint, "exit_code": exit_code}
        click.echo(json.dumps(fields), err=True)
    else:
        click.echo(f"{PROGRAM}: {error}", err=True)
        if hint:
            click.echo(hint, err=True)
    return exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, even if it is wrong otherwise."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def identity_text(public_key: bytes) -> str:
    """Return the 44 characters by which clients know the vault."""
    return urlsafe_b64encode(public_key).rstrip(b"=").decode()
