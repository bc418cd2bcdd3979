"""Options that many commands share, and how their help is laid out."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final, TypedDict

import click

from strongroom.cli.screen import NARROW, fitted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CODES_IN_WORDS: Final = (
    "Exit codes: 0 success; 1 failure, and stderr says why; 2 wrong usage; 3 wrong password;"
    " 4 the key is destroyed; 5 the vault does not answer; 130 ended by Ctrl-C, 129 by SIGHUP,"
    " 143 by SIGTERM."
)


WIDEST: Final = 80
"""Columns of a help, however wide the terminal is."""
NARROWEST: Final = 20
NARROW_NAMES: Final = 4


class VaultOptions(TypedDict):
    """The options that name the vault, as click gives them."""

    invite: str | None
    vault: str | None
    identity: str | None
    ca_file: str | None
    access_token_file: str | None
    access_token_command: str | None
    account: str | None
    key_store: str | None


_VAULT_OPTIONS: Final = (
    click.option(
        "--invite",
        envvar="STRONGROOM_INVITE",
        help="An invite to a vault: address, identity and certificate in one.",
    ),
    click.option("--vault", envvar="STRONGROOM_VAULT", help="The vault, host:port."),
    click.option(
        "--identity", envvar="STRONGROOM_IDENTITY", help="The vault's identity, 44 characters."
    ),
    click.option(
        "--ca-file",
        envvar="STRONGROOM_CA_FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Trust only the TLS certificates in this PEM file.",
    ),
    click.option(
        "--access-token-file",
        envvar="STRONGROOM_ACCESS_TOKEN_FILE",
        type=click.Path(dir_okay=False),
        help="The file with the access token.",
    ),
    click.option(
        "--access-token-command",
        envvar="STRONGROOM_ACCESS_TOKEN_COMMAND",
        help="A program with its arguments that prints an access token; no shell reads it.",
    ),
    click.option(
        "--account",
        envvar="STRONGROOM_ACCOUNT",
        help="Whose key to use, if this device has those of several accounts.",
    ),
    click.option(
        "--key-store",
        envvar="STRONGROOM_KEY_STORE",
        type=click.Choice(["auto", "keyring", "file"]),
        help="Where this device keeps the backup key.  [default: auto]",
    ),
)
password_option = click.option(
    "--password-fd", type=int, help="Read the password from this file descriptor."
)
keep_option = click.option(
    "--no-keep", is_flag=True, help="Do not keep the key on this device: it may be borrowed."
)
weak_option = click.option(
    "--accept-weak-password", is_flag=True, help="Accept a new password that is easy to guess."
)
file_argument = click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Where to write; - is standard output.",
)


def vault_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that name the vault."""
    for option in reversed(_VAULT_OPTIONS):
        command = option(command)
    return command


class Formatter(click.HelpFormatter):
    """Lays out a help for the terminal as it is; click takes every one for 50 columns or more."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        room = min(shutil.get_terminal_size().columns, max_width or WIDEST) - 2
        super().__init__(indent_increment, width or max(room, NARROWEST), max_width)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and what they mean, which stands below its name where there is no room."""
        is_narrow = self.width < NARROW
        super().write_dl(rows, NARROW_NAMES if is_narrow else col_max, col_spacing)

    def getvalue(self) -> str:
        """Return the help; an example that is wider than the terminal goes on below."""
        lines = super().getvalue().splitlines()
        return "".join(f"{fitted(line, self.width)}\n" for line in lines)


class Context(click.Context):
    """A call of a command, whose help this module lays out."""

    formatter_class = Formatter


class Command(click.Command):
    """A command whose help ends with the exit codes."""

    context_class = Context

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes after the options."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(CODES_IN_WORDS)


class Group(click.Group):
    """The program itself: its help ends with the exit codes too."""

    command_class = Command
    context_class = Context

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes after the commands."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(CODES_IN_WORDS)
