"""The help of the commands: examples, whole sentences in lists, exit codes."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Final

import click

from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_vault.errors import NotServing, OperatorError, WrongPin

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROGRAM: Final = "strongroom-vault"
MISUSED: Final = click.UsageError.exit_code
EXIT_CODES: Final = {
    0: "success",
    OperatorError.exit_code: "failure; the message says why",
    MISUSED: "wrong usage",
    WrongPin.exit_code: "the token does not accept the PIN",
    NotServing.exit_code: "the vault is running but not serving",
    INTERRUPTED: "Ctrl-C",
}
WIDEST: Final = 80
NARROWEST: Final = 30
ALWAYS: Final = (0, OperatorError.exit_code, MISUSED, INTERRUPTED)


class Command(click.Command):
    """A command that lists its exit codes in its help."""

    exit_codes: Sequence[int] = ALWAYS

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, then the exit codes."""
        super().format_options(ctx, formatter)
        _write_exit_codes(self.exit_codes, formatter)


class Group(click.Group):
    """A group of commands; its list of them shows whole sentences."""

    command_class = Command
    group_class = type

    @property
    def exit_codes(self) -> list[int]:
        """The exit codes of all its commands."""
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


def also_exits_with(*codes: int) -> Callable[[click.Command], click.Command]:
    """Add exit codes that not every command has. Stands above `@command`."""

    def add(command: click.Command) -> click.Command:
        if not isinstance(command, Command):
            raise TypeError("only a Command lists exit codes")
        command.exit_codes = sorted({*ALWAYS, *codes})
        return command

    return add


def ends_well_at_ctrl_c(command: click.Command) -> click.Command:
    """Leave Ctrl-C out of a command's exit codes: it is how the command is ended."""
    if not isinstance(command, Command):
        raise TypeError("only a Command lists exit codes")
    command.exit_codes = [code for code in command.exit_codes if code != INTERRUPTED]
    return command


def help_width() -> int:
    """Return how wide the help is, in columns: click alone never makes it narrower than 50."""
    return max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST) - 2)


def examples(*lines: str) -> str:
    """Return an epilog with examples, in lines that click leaves as they are."""
    shown = "\n".join(f"  {PROGRAM} {line}" for line in lines)
    return f"\b\nExamples:\n{shown}"


def _codes_of(command: click.Command) -> Sequence[int]:
    return command.exit_codes if isinstance(command, Command | Group) else ALWAYS


def _write_exit_codes(codes: Sequence[int], formatter: click.HelpFormatter) -> None:
    with formatter.section("Exit codes"):
        formatter.write_dl([(str(code), EXIT_CODES[code]) for code in codes])
