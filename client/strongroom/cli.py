"""The command `strongroom`, for a person. Data goes to stdout, everything else to stderr."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click

from strongroom import __version__, asking, backups, protecting, streams
from strongroom.asking import say
from strongroom.calls import ActiveKey, DestroyedKey
from strongroom.device import Device
from strongroom.errors import (
    KeyDestroyed,
    StrongroomError,
    VaultUnreachable,
    WrongKey,
    WrongPassword,
)
from strongroom.standing import ADVICE, IN_WORDS, Standing, warning_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from strongroom.backup_key import BackupKey

Command = TypeVar("Command", bound="Callable[..., Any]")

EXIT_CODES: Final = ((WrongPassword, 3), (KeyDestroyed, 4), (VaultUnreachable, 5))
BACKUP_SUFFIX: Final = ".age"
LABEL: Final = "strongroom: "


class NoKeyHere(StrongroomError):
    """This device keeps no backup key."""

    sentence = "This device keeps no backup key."
    hint = "Run `strongroom enable` first, or `strongroom show-key` to get the key from the vault."


class NoOutput(StrongroomError):
    """What would be printed has nowhere to go."""

    sentence = "The standard output is closed, so the key cannot be printed."


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
_file_argument = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to write."
)


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
        cli(prog_name="strongroom")
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


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Protect your backups with a password that nobody else can test.

    \b
    strongroom enable --vault vault.example:7443 --access-token-file token
    strongroom backup chats.db          makes chats.db.age
    strongroom restore chats.db.age     on any device, with the password

    \b
    Exit codes: 0 done, 1 something else, 2 wrong usage, 3 wrong password,
    4 key destroyed, 5 the vault does not answer.
    """  # noqa: D301 -- click reads the backspaces


@cli.command()
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
    asking.check(password_fd)
    with Device.of(options).meet() as contact:
        protecting.enable(
            contact,
            password_fd,
            accept_weak=accept_weak_password,
            attempt_limit=attempt_limit,
            is_replacing=is_replacing,
        )


@cli.command()
@_file_argument
@_output_option
@vault_options
def backup(file: Path, output: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Encrypt FILE under the backup key, as FILE.age. Needs no vault."""
    device = Device.of(options)
    place = device.kept_place()
    key = None if place is None else device.keys(place).current()
    if place is None or key is None:
        raise NoKeyHere
    target = output or file.with_name(file.name + BACKUP_SUFFIX)
    with backups.to_back_up(file, target) as work:
        work.encrypt(key.key)
    say(f"{target} is the backup of {file}.")
    place = device.glance(place)
    _warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
    if not place.is_proven:
        _warn("The vault has not given this key back yet. Run `strongroom rehearse`.")


@cli.command()
@_file_argument
@_output_option
@click.option("--digits", is_flag=True, help="Use the 64-digit key instead of the password.")
@click.option("--digits-fd", type=int, help="Read the 64-digit key from this file descriptor.")
@_password_option
@vault_options
def restore(
    file: Path,
    *,
    output: Path | None,
    digits: bool,
    digits_fd: int | None,
    password_fd: int | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Decrypt the backup FILE: with a key of this device, the password, or 64 digits."""
    target = output or file.with_suffix("")
    if output is None and file.suffix != BACKUP_SUFFIX:
        raise click.UsageError("FILE does not end in .age; say where to write with --output")
    asking.check(password_fd, digits_fd)
    with backups.to_restore(file, target) as work:
        if digits or digits_fd is not None:
            given = work.key_among([asking.ask_digits(digits_fd)])
            if given is None:
                raise WrongKey
            key = given
        else:
            device = Device.of(options)
            kept = device.kept_keys()
            key = work.key_among(kept) or _key_of_vault(device, password_fd, has_others=bool(kept))
        work.decrypt(key)
    say(f"{target} is restored.")


@cli.command()
@vault_options
def status(**options: Any) -> None:  # noqa: ANN401
    """Say what the vault holds for you, and whether this device's key is that one."""
    with Device.of(options).meet() as contact:
        click.echo(f"vault     {contact.address} ({contact.vault.info.vault_id})")
        click.echo(f"identity  {contact.vault.identity}")
        click.echo(f"account   {contact.vault.account}")
    click.echo(f"key       {_describe(contact.found)}")
    click.echo(f"here      {IN_WORDS[contact.standing]}")
    if contact.standing in ADVICE:
        say(f"\n{ADVICE[contact.standing]}")
    if contact.keys.old():
        say("\nOlder keys are kept here too, for older backups: strongroom show-key --old")


@cli.command("show-key")
@click.option("--age", is_flag=True, help="Print an identity for the age program instead.")
@click.option("--old", is_flag=True, help="Print the older keys that this device keeps.")
@_password_option
@vault_options
def show_key(*, age: bool, old: bool, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Print the 64-digit key. Whoever has it can open your backups."""
    if not streams.can_be_written(sys.stdout):
        raise NoOutput
    asking.check(password_fd)
    device = Device.of(options)
    place = device.kept_place()
    kept = None if place is None else device.keys(place).current()
    if old:
        shown = [] if place is None else [other.key for other in device.keys(place).old()]
    elif place is not None and kept is not None:
        _warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
        shown = [kept.key]
    else:
        with device.meet() as contact:
            contact.require_storage()
            shown = [protecting.recover(contact, password_fd, adopt=True)]
    for key in shown:
        click.echo(key.age_identity if age else key.digits)


@cli.command("change-password")
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
    asking.check(password_fd, new_password_fd)
    with Device.of(options).meet() as contact:
        protecting.change_password(
            contact, password_fd, new_password_fd, accept_weak=accept_weak_password
        )


@cli.command()
@click.option("--adopt", is_flag=True, help="Take the vault's key for this device.")
@_password_option
@vault_options
def rehearse(*, adopt: bool, password_fd: int | None, **options: Any) -> None:  # noqa: ANN401
    """Check that you still know the password, and that it opens this device's key."""
    asking.check(password_fd)
    with Device.of(options).meet() as contact:
        protecting.rehearse(contact, password_fd, adopt=adopt)


@cli.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@vault_options
def disable(*, yes: bool, **options: Any) -> None:  # noqa: ANN401
    """Delete your key in the vault. Backups then open with this device or the 64 digits alone."""
    with Device.of(options).meet() as contact:
        protecting.disable(contact, yes=yes)


def _key_of_vault(device: Device, password_fd: int | None, *, has_others: bool) -> BackupKey:
    """Get the key that no backup here was opened with yet, and keep it."""
    with device.meet() as contact:
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
