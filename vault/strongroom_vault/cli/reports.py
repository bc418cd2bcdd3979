"""How the commands report: in sentences, or with --json as JSON, the refusals too.

With --json, stdout has what the command found, one JSON object a line, and stderr has one more if
it failed: `{"error": ..., "hint": ..., "exit_code": ...}`. No more is printed, and nothing asked.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from strongroom_protocol.terminal.loading import INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM: Final = "strongroom-vault"
EXIT_CODES: Final = {
    0: "done",
    1: "the vault says why not",
    2: "the command was misused",
    3: "the token does not accept the PIN",
    4: "the vault runs but does not serve",
    INTERRUPTED: "Ctrl-C",
}
ALWAYS: Final = (0, 1, 2, INTERRUPTED)

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")


class Command(click.Command):
    """A command that lists its exit codes in its help."""

    def __init__(
        self,
        *arguments: Any,  # noqa: ANN401 -- click's own
        exit_codes: Sequence[int] = (),
        **options: Any,  # noqa: ANN401
    ) -> None:
        """Take click's own arguments, and the exit codes that not every command has."""
        super().__init__(*arguments, **options)
        self.exit_codes = sorted({*ALWAYS, *exit_codes})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the exit codes."""
        super().format_options(ctx, formatter)
        _write_exit_codes(self.exit_codes, formatter)


class Group(click.Group):
    """A group of commands; its list of them cuts no sentence off."""

    command_class = Command
    group_class = type

    @property
    def exit_codes(self) -> list[int]:
        """Those of its commands."""
        return sorted({code for one in self.commands.values() for code in _codes_of(one)})

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options and the commands, then the exit codes of all of them."""
        super().format_options(ctx, formatter)
        _write_exit_codes(self.exit_codes, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands with the first sentence of each help, wrapped."""
        rows = [
            (name, command.get_short_help_str(limit=sys.maxsize))
            for name in self.list_commands(ctx)
            if (command := self.get_command(ctx, name)) is not None and not command.hidden
        ]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _codes_of(command: click.Command) -> Sequence[int]:
    return command.exit_codes if isinstance(command, Command | Group) else ALWAYS


def _write_exit_codes(codes: Sequence[int], formatter: click.HelpFormatter) -> None:
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), EXIT_CODES[code]) for code in codes])


def tell(found: dict[str, Any], said: str, *, as_json: bool) -> None:
    """Report what was done: as JSON on stdout, or in a sentence on stderr."""
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(said, err=True)


def ask_first(question: str, *, yes: bool, as_json: bool) -> None:
    """Go on only if the operator says so: now, or with --yes before.

    Raises:
        click.Abort: not.
        click.UsageError: with --json nothing is asked.
    """
    if yes:
        return
    if as_json:
        raise click.UsageError(f"with --json nothing is asked ({question}): add --yes")
    click.confirm(question, abort=True, err=True)


def refuse(error: str, hint: str, exit_code: int) -> int:
    """Say why a command failed, as its caller wants to read it; return the exit code."""
    if wants_json(sys.argv[1:]):
        found = {"error": error, "hint": hint, "exit_code": exit_code}
        click.echo(json.dumps(found), err=True)
    else:
        click.echo(f"{PROGRAM}: {error}", err=True)
        if hint:
            click.echo(hint, err=True)
    return exit_code


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for JSON, even if it is not one that can be understood."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options
