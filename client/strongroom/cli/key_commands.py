"""Commands for the key and its password, from enable to disable."""

from __future__ import annotations

from typing import Final, Unpack

import click

from strongroom.cli import backups, prompts, protecting, recovering
from strongroom.cli.device import Device
from strongroom.cli.options import (
    Command,
    VaultOptions,
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
    **options: Unpack[VaultOptions],
) -> None:
    """Make a backup key and protect it with a password.

    On a device that has the key already it stays the same, with a new password. --replace makes a
    fresh one: for a key that somebody else may have seen.
    """
    prompts.check(password_fd)
    with Device.of(options).open() as session:
        protecting.enable(
            session,
            password_fd,
            accept_weak=accept_weak_password,
            attempt_limit=attempt_limit,
            is_replacing=is_replacing,
        )


@click.command(
    cls=Command, short_help="Say what the vault holds for you, and what this device has."
)
@vault_options
def status(**options: Unpack[VaultOptions]) -> None:
    """Say what the vault holds for you, and whether this device's key is that one."""
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
@click.option("--old", is_flag=True, help="Print the older keys that this device keeps.")
@password_option
@vault_options
def show_key(
    *, age: bool, old: bool, password_fd: int | None, **options: Unpack[VaultOptions]
) -> None:
    """Print the 64-digit key. Whoever has it can open your backups."""
    require_stdout(backups.DASH)
    prompts.check(password_fd)
    device = Device.of(options)
    place = device.place_with_key()
    kept = None if place is None else device.keys(place).current()
    if old:
        shown = [] if place is None else [other.key for other in device.keys(place).old()]
    elif place is not None and kept is not None:
        warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
        shown = [kept.key]
    else:
        with device.open() as session:
            session.require_storage()
            shown = [recovering.recover(session, password_fd, adopt=True)]
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
    prompts.check(password_fd, new_password_fd)
    with Device.of(options).open() as session:
        protecting.change_password(
            session, password_fd, new_password_fd, accept_weak=accept_weak_password
        )


@click.command(cls=Command, short_help="Check that you still know the password.")
@click.option("--adopt", is_flag=True, help="Take the vault's key for this device.")
@password_option
@vault_options
def rehearse(*, adopt: bool, password_fd: int | None, **options: Unpack[VaultOptions]) -> None:
    """Check that you still know the password, and that it opens this device's key."""
    prompts.check(password_fd)
    with Device.of(options).open() as session:
        protecting.rehearse(session, password_fd, adopt=adopt)


@click.command(cls=Command, short_help="Delete your key in the vault.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@vault_options
def disable(*, yes: bool, **options: Unpack[VaultOptions]) -> None:
    """Delete your key in the vault. Backups then open with this device or the 64 digits alone."""
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
