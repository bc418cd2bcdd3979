"""Commands for the key and its password, from enable to disable."""

from __future__ import annotations

from typing import Final, Unpack

import click

from strongroom.cli import backups, descriptors, protecting, recovering
from strongroom.cli.device import Device
from strongroom.cli.options import (
    Command,
    VaultOptions,
    keep_option,
    password_option,
    vault_options,
    weak_option,
)
from strongroom.cli.output import require_stdout, row, warn
from strongroom.cli.screen import say, show
from strongroom.cli.sync_state import (
    IN_WORDS,
    LAST_ATTEMPT,
    LAST_IS_UNDECIDED,
    advice_of,
    warning_of,
)
from strongroom.requests import ActiveKey, DestroyedKey
from strongroom_protocol.terminal.printable import printable


@click.command(cls=Command, short_help="Make a backup key and protect it with a password.")
@vault_options
@password_option
@weak_option
@click.option(
    "--attempt-limit",
    type=click.IntRange(1, 1000),
    help="How many wrong passwords in a row destroy the key.",
)
@click.option(
    "--replace", "is_replacing", is_flag=True, help="Put a fresh key in place of the old one."
)
def enable(
    *,
    password_fd: int | None,
    accept_weak_password: bool,
    attempt_limit: int | None,
    is_replacing: bool,
    **options: Unpack[VaultOptions],
) -> None:
    """Make a backup key, keep it on this device, and protect it with a password.

    A device that already has the key protects the same one with a new password. --replace makes a
    fresh key, in case somebody else has seen the old one.
    """
    descriptors.check(password_fd)
    with Device.of(options).open() as session:
        protecting.enable(
            session,
            password_fd,
            accept_weak=accept_weak_password,
            attempt_limit=attempt_limit,
            is_replacing=is_replacing,
        )


@click.command(cls=Command, short_help="Show what the vault and this device have.")
@vault_options
def status(**options: Unpack[VaultOptions]) -> None:
    """Show what the vault holds for you, and whether this device has the same key."""
    with Device.of(options).open() as session:
        row("vault", f"{session.address} ({session.vault.info().vault_id})")
        row("identity", session.vault.identity())
        row("account", printable(session.vault.account))
    row("key", _describe(session.status))
    row("here", IN_WORDS[session.state])
    if isinstance(session.status, ActiveKey) and session.status.attempts_left <= 1:
        warn(LAST_ATTEMPT if session.status.attempts_left else LAST_IS_UNDECIDED)
    advice = advice_of(session.state, session.status)
    if advice:
        say(f"\n{advice}")
    if session.keys.old():
        say("\nOlder keys are kept here too, for older backups: strongroom show-key --old")


@click.command("show-key", cls=Command, short_help="Print the 64-digit key.")
@click.option("--age", is_flag=True, help="Print an identity for the age program instead.")
@click.option("--old", is_flag=True, help="Print the older keys kept on this device.")
@password_option
@keep_option
@vault_options
def show_key(
    *,
    age: bool,
    old: bool,
    password_fd: int | None,
    no_keep: bool,
    **options: Unpack[VaultOptions],
) -> None:
    """Print the 64-digit key. Whoever has it can open your backups.

    A device that has no key gets it from the vault with the password, and keeps it.
    """
    require_stdout(backups.DASH)
    descriptors.check(password_fd)
    device = Device.of(options)
    place = device.place_with_key()
    kept = None if place is None else device.keys(place).current()
    if old:
        shown = [] if place is None else [other.key for other in device.keys(place).old()]
        if not shown:
            say("This device keeps no older keys.")
    elif place is not None and kept is not None:
        warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
        recovering.say_unneeded(password_fd, keep=not no_keep)
        shown = [kept.key]
    else:
        with device.open() as session:
            shown = [recovering.fetch(session, password_fd, keep=not no_keep)]
    for key in shown:
        if age:
            click.echo(key.age_identity)
        else:
            show(key.digits)


@click.command(
    "change-password", cls=Command, short_help="Protect the same key with another password."
)
@password_option
@click.option("--new-password-fd", type=int, help="Read the new password from this descriptor.")
@weak_option
@vault_options
def change_password(
    *,
    password_fd: int | None,
    new_password_fd: int | None,
    accept_weak_password: bool,
    **options: Unpack[VaultOptions],
) -> None:
    """Protect the same key with another password. The old one works until the new one does."""
    descriptors.check(password_fd, new_password_fd)
    with Device.of(options).open() as session:
        protecting.change_password(
            session, password_fd, new_password_fd, accept_weak=accept_weak_password
        )


@click.command(cls=Command, short_help="Check that you still know the password.")
@click.option("--adopt", is_flag=True, help="Use the vault's key on this device from now on.")
@password_option
@vault_options
def rehearse(*, adopt: bool, password_fd: int | None, **options: Unpack[VaultOptions]) -> None:
    """Check that you still know the password, and that it opens this device's key."""
    descriptors.check(password_fd)
    with Device.of(options).open() as session:
        protecting.rehearse(session, password_fd, adopt=adopt)


@click.command(cls=Command, short_help="Delete your key in the vault.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@vault_options
def disable(*, yes: bool, **options: Unpack[VaultOptions]) -> None:
    """Delete your key in the vault. Backups then open only with this device or the 64 digits."""
    with Device.of(options).open() as session:
        protecting.disable(session, yes=yes)


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


COMMANDS: Final = (enable, status, show_key, change_password, rehearse, disable)
