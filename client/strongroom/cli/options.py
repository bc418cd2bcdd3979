"""Options that many commands share, and how their help is laid out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CODES_IN_WORDS: Final = (
    "Exit codes: 0 success; 1 failure, and stderr says why; 2 wrong usage; 3 wrong password;"
    " 4 the key is destroyed; 5 the vault does not answer; 130 ended by Ctrl-C, 129 by SIGHUP,"
    " 143 by SIGTERM."
)


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
        help="A command that prints an access token; it runs when one is needed.",
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
    """Keeps the words of a help whole on a narrow terminal."""

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and what they mean; names take at most half of the width."""
        super().write_dl(rows, min(col_max, self.width // 2), col_spacing)


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
