"""The command `strongroom`, for a person. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from strongroom.cli import backups, prompts, protecting
from strongroom.cli.device import Device
from strongroom.cli.prompts import say, show
from strongroom.cli.standing import (
    IN_WORDS,
    LAST_ATTEMPT,
    LAST_IS_UNDECIDED,
    Standing,
    advice_of,
    warning_of,
)
from strongroom.errors import KeyDestroyed, VaultUnreachable, WrongKey, WrongPassword
from strongroom.requests import ActiveKey, DestroyedKey
from strongroom_protocol import __version__
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.terminal import streams
from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_protocol.terminal.printable import printable

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from strongroom.backup_key import BackupKey

Command = TypeVar("Command", bound="Callable[..., Any]")

EXIT_CODES: Final = ((WrongPassword, 3), (KeyDestroyed, 4), (VaultUnreachable, 5))
BACKUP_SUFFIX: Final = ".age"
NAME_WIDTH: Final = 10
LABEL: Final = "strongroom: "
CODES_IN_WORDS: Final = (
    "Exit codes: 0 done; 1 not done, and stderr says why; 2 wrong usage; 3 wrong password;"
    " 4 the key is destroyed; 5 the vault does not answer; 130 ended by Ctrl-C, 129 by SIGHUP,"
    " 143 by SIGTERM."
)


class NoKeyHere(StrongroomError):
    """This device keeps no backup key."""

    sentence = "This device keeps no backup key."
    hint = "Run `strongroom enable` first, or `strongroom show-key` to get the key from the vault."


class NoOutput(StrongroomError):
    """What would be printed has nowhere to go."""

    sentence = "The standard output is closed, so nothing can be written to it."


class _Ended(BaseException):
    """The system asks the command to end: what it holds is put away first."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


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
        help="Trust the TLS certificates of this PEM file alone.",
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
        help="A command that prints an access token, run when one is needed.",
    ),
    click.option(
        "--account",
        envvar="STRONGROOM_ACCOUNT",
        help="Whose key, where this device has those of several accounts.",
    ),
    click.option(
        "--key-store",
        envvar="STRONGROOM_KEY_STORE",
        type=click.Choice(["auto", "keyring", "file"]),
        help="Where this device keeps the backup key.  [default: auto]",
    ),
)
_password_option = click.option(
    "--password-fd", type=int, help="Read the password from this file descriptor."
)
_weak_option = click.option(
    "--accept-weak-password", is_flag=True, help="Take a new password that is easy to guess."
)
_file_argument = click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
_output_option = click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="Where to write; - is the standard output.",
)


class _Command(click.Command):
    """A command whose help ends with the exit codes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes after the options."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(CODES_IN_WORDS)


class _Group(click.Group):
    """The command itself: its help has a whole line for each command in it."""

    command_class = _Command

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes after the commands."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(CODES_IN_WORDS)


def vault_options(command: Command) -> Command:
    """Give a command the options that name the vault."""
    for option in reversed(_VAULT_OPTIONS):
        command = option(command)
    return command


def main() -> None:
    """Run the command; every error is a sentence and a hint, never a traceback."""
    streams.prepare()
    _end_in_order()
    try:
        sys.exit(cli.main(prog_name="strongroom", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort as abort:
        if _is_interrupted(abort):
            sys.exit(INTERRUPTED)
        say("Nothing more was done.", label=LABEL)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except StrongroomError as error:
        say(f"{error}\n{error.hint}".rstrip(), label=LABEL)
        sys.exit(next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}{error.strerror or error}", label=LABEL)
        sys.exit(1)
    except _Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        os.kill(os.getpid(), ended.number)


def _is_interrupted(abort: click.Abort) -> bool:
    """Whether it was Ctrl-C that click made this of; else it was Ctrl-D, or a no."""
    return isinstance(abort.__cause__ or abort.__context__, KeyboardInterrupt)


def _end_in_order() -> None:
    """SIGTERM and SIGHUP end the command as Ctrl-C does: drafts go, the terminal echoes again.

    The end of a session sends both. The second one must not come between while things are put away.
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
    """Pass over a signal: what it asks for is under way."""


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Protect your backups with a password that nobody else can test.

    \b
    strongroom enable --vault vault.example:7443 --access-token-file token
    strongroom backup chats.db          makes chats.db.age
    strongroom restore chats.db.age     on any device, with the password
    """  # noqa: D301 -- click reads the backspaces


@cli.command(short_help="Make a backup key and protect it with a password.")
@vault_options
@_password_option
@_weak_option
@click.option("--attempt-limit", type=click.IntRange(1, 1000), help="Fewer attempts than usual.")
@click.option(
    "--replace", "is_replacing", is_flag=True, help="Put a fresh key in place of what there is."
)
def enable(
    *,
    password_fd: int | None,
    accept_weak_password: bool,
    attempt_limit: int | None,
    is_replacing: bool,
    **options: Any,  # noqa: ANN401 -- the vault options
) -> None:
    """Make a backup key and protect it with a password.

    On a device that has the key already it stays the same, with a new password. --replace makes a
    fresh one: for a key that somebody else may have seen.
    """
    prompts.check(password_fd)
    with Device.of(options).open() as contact:
        protecting.enable(
            contact,
            password_fd,
            accept_weak=accept_weak_password,
            attempt_limit=attempt_limit,
            is_replacing=is_replacing,
        )


@cli.command(short_help="Encrypt FILE under the backup key, as FILE.age.")
@_file_argument
@_output_option
@click.option("--force", is_flag=True, help="Replace an earlier backup once this one is whole.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while all is well.")
@vault_options
def backup(
    file: str,
    *,
    output: str | None,
    force: bool,
    quiet: bool,
    **options: Any,  # noqa: ANN401 -- the vault options
) -> None:
    """Encrypt FILE under the backup key, as FILE.age. Needs no vault.

    A FILE of - is the standard input, and goes to the standard output:

    \b
    tar c chats | strongroom backup - > chats.age

    Every night from cron, which sends what is said by mail. The earlier backup stays until the new
    one is whole; at an exit code other than 0 it is still there:

    \b
    0 3 * * *  strongroom backup --quiet --force /home/me/chats.db

    In a pipe use `set -o pipefail`: what tar leaves out because of an error is not seen here.
    """  # noqa: D301 -- click reads the backspaces
    device = Device.of(options)
    place = device.kept_place()
    key = None if place is None else device.keys(place).current()
    if place is None or key is None:
        raise NoKeyHere
    target = output or (backups.DASH if file == backups.DASH else file + BACKUP_SUFFIX)
    _require_stdout(target)
    with backups.to_back_up(file, target, replace=force) as work:
        work.encrypt(key.key)
    if not quiet and not backups.is_stream(target):
        say(f"{target} is the backup of {file}.")
    place = device.glance(place)
    _warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
    if not place.is_proven:
        _warn("The vault has not given this key back yet. Run `strongroom rehearse`.")


@cli.command(short_help="Decrypt the backup FILE.")
@_file_argument
@_output_option
@click.option("--digits", is_flag=True, help="Use the 64-digit key instead of the password.")
@click.option("--digits-fd", type=int, help="Read the 64-digit key from this file descriptor.")
@_password_option
@vault_options
def restore(
    file: str,
    *,
    output: str | None,
    digits: bool,
    digits_fd: int | None,
    password_fd: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Decrypt the backup FILE: with a key of this device, the password, or 64 digits.

    It takes what age writes, as text too. A FILE of - is the standard input, and goes to the
    standard output:

    \b
    strongroom restore chats.age -o - | tar x

    A damaged FILE becomes no file at all. Into a pipe go only parts that are authentic, and at an
    exit code other than 0 not all of them came (`set -o pipefail`).
    """  # noqa: D301 -- click reads the backspaces
    target = output or (backups.DASH if file == backups.DASH else str(Path(file).with_suffix("")))
    if output is None and file != backups.DASH and Path(file).suffix != BACKUP_SUFFIX:
        raise click.UsageError("FILE does not end in .age; say where to write with --output")
    secret_fds = (password_fd, digits_fd, 0 if digits and digits_fd is None else None)
    if backups.is_stdin(file) and 0 in secret_fds:
        raise click.UsageError("The standard input has the backup; use --password-fd 3 or such")
    prompts.check(password_fd, digits_fd)
    _require_stdout(target)
    with backups.to_restore(file, target) as work:
        if digits or digits_fd is not None:
            key = prompts.ask_digits(digits_fd, lambda given: work.key_among([given]) is not None)
        else:
            device = Device.of(options)
            kept = device.kept_keys()
            key = work.key_among(kept) or _key_of_vault(device, password_fd, has_others=bool(kept))
        work.decrypt(key)
    if not backups.is_stream(target):
        say(f"{target} is restored.")


@cli.command(short_help="Say what the vault holds for you, and what this device has.")
@vault_options
def status(**options: Any) -> None:  # noqa: ANN401
    """Say what the vault holds for you, and whether this device's key is that one."""
    with Device.of(options).open() as contact:
        _row("vault", f"{contact.address} ({contact.vault.info.vault_id})")
        _row("identity", contact.vault.identity)
        _row("account", printable(contact.vault.account))
    _row("key", _describe(contact.found))
    _row("here", IN_WORDS[contact.standing])
    if isinstance(contact.found, ActiveKey) and contact.found.attempts_left <= 1:
        _warn(LAST_ATTEMPT if contact.found.attempts_left else LAST_IS_UNDECIDED)
    advice = advice_of(contact.standing, contact.found)
    if advice:
        say(f"\n{advice}")
    if contact.keys.old():
        say("\nOlder keys are kept here too, for older backups: strongroom show-key --old")


@cli.command("show-key", short_help="Print the 64-digit key.")
@click.option("--age", is_flag=True, help="Print an identity for the age program instead.")
@click.option("--old", is_flag=True, help="Print the older keys that this device keeps.")
@_password_option
@vault_options
def show_key(*, age: bool, old: bool, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Print the 64-digit key. Whoever has it can open your backups."""
    _require_stdout(backups.DASH)
    prompts.check(password_fd)
    device = Device.of(options)
    place = device.kept_place()
    kept = None if place is None else device.keys(place).current()
    if old:
        shown = [] if place is None else [other.key for other in device.keys(place).old()]
    elif place is not None and kept is not None:
        _warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
        shown = [kept.key]
    else:
        with device.open() as contact:
            contact.require_storage()
            shown = [protecting.recover(contact, password_fd, adopt=True)]
    for key in shown:
        if age:
            click.echo(key.age_identity)
        else:
            show(key.digits)


@cli.command("change-password", short_help="Protect the same key with another password.")
@_password_option
@click.option("--new-password-fd", type=int, help="Read the new password from this descriptor.")
@_weak_option
@vault_options
def change_password(
    *,
    password_fd: int | None,
    new_password_fd: int | None,
    accept_weak_password: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Protect the same key with another password. The old one works until the new one does."""
    prompts.check(password_fd, new_password_fd)
    with Device.of(options).open() as contact:
        protecting.change_password(
            contact, password_fd, new_password_fd, accept_weak=accept_weak_password
        )


@cli.command(short_help="Check that you still know the password.")
@click.option("--adopt", is_flag=True, help="Take the vault's key for this device.")
@_password_option
@vault_options
def rehearse(*, adopt: bool, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Check that you still know the password, and that it opens this device's key."""
    prompts.check(password_fd)
    with Device.of(options).open() as contact:
        protecting.rehearse(contact, password_fd, adopt=adopt)


@cli.command(short_help="Delete your key in the vault.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@vault_options
def disable(*, yes: bool, **options: Any) -> None:  # noqa: ANN401
    """Delete your key in the vault. Backups then open with this device or the 64 digits alone."""
    with Device.of(options).open() as contact:
        protecting.disable(contact, yes=yes)


def _key_of_vault(device: Device, password_fd: int | None, *, has_others: bool) -> BackupKey:
    """Get the key that no backup here was opened with yet, and keep it."""
    with device.open() as contact:
        if contact.standing is Standing.IN_STEP:
            raise WrongKey  # the vault would give back what this device has
        contact.require_storage()
        if has_others:
            say("No key of this device opens this backup. The vault's may.")
        had = contact.current
        key = protecting.recover(contact, password_fd, adopt=True)
        if had is not None and had.key != key:
            say("The vault's key is this device's from now on; its own stays among the old ones.")
        return key


def _require_stdout(target: str) -> None:
    if target == backups.DASH and not streams.can_be_written(sys.stdout):
        raise NoOutput


def _row(name: str, text: str) -> None:
    show(f"{name:<{NAME_WIDTH}}{text}", indent=NAME_WIDTH)


def _warn(text: str) -> None:
    if text:
        say(f"\nWARNING: {text}")


def _describe(found: ActiveKey | DestroyedKey | None) -> str:
    match found:
        case None:
            return "none"
        case DestroyedKey(destroyed_at):
            return (
                f"destroyed on {destroyed_at:%Y-%m-%d at %H:%M} UTC after too many wrong passwords"
            )
        case ActiveKey():
            text = (
                f"protected since {found.created_at:%Y-%m-%d at %H:%M} UTC,"
                f" {found.attempts_left} of {found.attempt_limit} attempts left"
            )
            if found.wait_until is not None:
                text += f", the next one from {found.wait_until:%H:%M:%S} UTC"
            return text
