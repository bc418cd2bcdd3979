"""The program `strongroom`, for a person. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

import click

from strongroom.cli import backup_commands, key_commands
from strongroom.cli.hints import hint_of
from strongroom.cli.options import Group
from strongroom.cli.screen import say
from strongroom.errors import KeyDestroyed, VaultUnreachable, WrongPassword
from strongroom_protocol import __version__
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.terminal import streams
from strongroom_protocol.terminal.loading import INTERRUPTED

if TYPE_CHECKING:
    from types import FrameType

EXIT_CODES: Final = ((WrongPassword, 3), (KeyDestroyed, 4), (VaultUnreachable, 5))
LABEL: Final = "strongroom: "


class _Ended(BaseException):
    """A signal ends the command, after its context managers have cleaned up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> None:
    """Run the command; every error is a message and a hint, never a traceback."""
    streams.prepare()
    _end_in_order()
    try:
        sys.exit(cli.main(prog_name="strongroom", standalone_mode=False))
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except click.Abort as abort:
        if _is_interrupted(abort):
            sys.exit(INTERRUPTED)
        say("Nothing more was done.", label=LABEL)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except StrongroomError as error:
        say(f"{error}\n{hint_of(error)}".rstrip(), label=LABEL)
        sys.exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}{error.strerror or error}", label=LABEL)
        sys.exit(1)
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)


def _show(error: click.ClickException) -> None:
    """Show a wrong usage as click does, broken between words."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        say(error.ctx.get_usage())
        say(f"Try '{error.ctx.command_path} --help' for help.\n")
    say(error.format_message(), label="Error: ")


def _is_interrupted(abort: click.Abort) -> bool:
    """Whether Ctrl-C was behind it; else it was Ctrl-D, or a no."""
    return isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt)


def _end_in_order() -> None:
    """Let SIGTERM and SIGHUP end the command like Ctrl-C: drafts are removed, echo is restored.

    The end of a login session sends both. The second must not interrupt the clean-up.
    """
    numbers = (signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _frame: FrameType | None) -> NoReturn:
        for other in numbers:
            signal.signal(other, _do_nothing)
        raise _Ended(number)

    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, end)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """Ignore a signal: the command is ending already."""


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Protect your backups with a password that nobody else can test.

    \b
    strongroom enable --invite INVITE --access-token-file TOKEN
    strongroom backup chats.db         makes chats.db.age
    strongroom restore chats.db.age    on any device, with the password
    """  # noqa: D301 -- click reads the backspaces


for command in (*key_commands.COMMANDS, *backup_commands.COMMANDS):
    cli.add_command(command)
