"""Commands for backup files: backup, restore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Unpack

import click

from strongroom.cli import backups, descriptors, prompts, recovering
from strongroom.cli.device import Device
from strongroom.cli.options import (
    Command,
    VaultOptions,
    file_argument,
    keep_option,
    output_option,
    password_option,
    vault_options,
)
from strongroom.cli.output import require_stdout, warn
from strongroom.cli.screen import say
from strongroom.cli.sync_state import SyncState, warning_of
from strongroom.errors import WrongKey
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from strongroom.backup_key import BackupKey

BACKUP_SUFFIX: Final = ".age"


class NoKeyHere(StrongroomError):
    """This device keeps no backup key."""

    message = "This device keeps no backup key."
    hint = "Run `strongroom enable` first, or `strongroom show-key` to get the key from the vault."


@click.command(cls=Command, short_help="Encrypt FILE under the backup key, as FILE.age.")
@file_argument
@output_option
@click.option(
    "--force", is_flag=True, help="Replace an earlier backup once the new one is complete."
)
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@vault_options
def backup(
    file: str,
    *,
    output: str | None,
    force: bool,
    quiet: bool,
    **options: Unpack[VaultOptions],
) -> None:
    """Encrypt FILE under the backup key, as FILE.age. Works without the vault.

    If FILE is -, standard input is encrypted to standard output:

    \b
    tar c chats | strongroom backup - > chats.age

    Every night from cron, which mails whatever is printed. The earlier backup stays until the new
    one is complete; after an exit code other than 0 it is still there:

    \b
    0 3 * * *  strongroom backup --quiet --force /home/me/chats.db

    In a pipe use `set -o pipefail`: strongroom does not see that tar failed and left files out.
    """  # noqa: D301 -- click reads the backspaces
    device = Device.of(options)
    place = device.place_with_key()
    key = None if place is None else device.keys(place).current()
    if place is None or key is None:
        raise NoKeyHere
    target = output or (backups.DASH if file == backups.DASH else file + BACKUP_SUFFIX)
    require_stdout(target)
    with backups.to_back_up(file, target, replace=force) as work:
        work.encrypt(key.key)
    if not quiet and not backups.is_stream(target):
        say(f"{target} is the backup of {file}.")
    place = device.check_vault(place)
    warn(warning_of(place.profile.vault_has, device.keys(place).pending()))
    if not place.is_proven:
        warn("The vault has not given this key back yet. Run `strongroom rehearse`.")


@click.command(cls=Command, short_help="Decrypt the backup FILE.")
@file_argument
@output_option
@click.option("--digits", is_flag=True, help="Use the 64-digit key instead of the password.")
@click.option("--digits-fd", type=int, help="Read the 64-digit key from this file descriptor.")
@password_option
@keep_option
@vault_options
def restore(
    file: str,
    *,
    output: str | None,
    digits: bool,
    digits_fd: int | None,
    password_fd: int | None,
    no_keep: bool,
    **options: Unpack[VaultOptions],
) -> None:
    """Decrypt the backup FILE with a key on this device, the password, or the 64 digits.

    A device that has no key for it gets the key from the vault with the password, and keeps it.
    Files that age encrypted to the same key work too, binary or text. If FILE is -, standard input
    is decrypted to standard output:

    \b
    strongroom restore chats.age -o - | tar x

    A damaged FILE leaves no output file. A pipe gets only authentic parts, and after an exit code
    other than 0 they are not complete (`set -o pipefail`).
    """  # noqa: D301 -- click reads the backspaces
    target = output or (backups.DASH if file == backups.DASH else str(Path(file).with_suffix("")))
    if output is None and file != backups.DASH and Path(file).suffix != BACKUP_SUFFIX:
        raise click.UsageError("FILE does not end in .age; name the output file with --output")
    if (digits or digits_fd is not None) and password_fd is not None:
        raise click.UsageError("Give the password or the 64-digit key, not both")
    secret_fds = (password_fd, digits_fd, 0 if digits and digits_fd is None else None)
    if backups.is_stdin(file) and 0 in secret_fds:
        raise click.UsageError(
            "The standard input has the backup; use another descriptor, such as --password-fd 3"
        )
    descriptors.check(password_fd, digits_fd)
    require_stdout(target)
    with backups.to_restore(file, target) as work:
        if digits or digits_fd is not None:
            key = prompts.ask_digits(digits_fd, lambda given: work.key_among([given]) is not None)
        else:
            device = Device.of(options)
            kept = device.stored_keys()
            found = work.key_among(kept)
            if found is not None:
                recovering.say_unneeded(password_fd, keep=not no_keep)
            key = found or _key_of_vault(
                device, password_fd, has_others=bool(kept), keep=not no_keep
            )
        work.decrypt(key)
    if not backups.is_stream(target):
        say(f"{target} is restored.")


def _key_of_vault(
    device: Device, password_fd: int | None, *, has_others: bool, keep: bool
) -> BackupKey:
    """Get the vault's key, which this device has not tried yet."""
    with device.open() as session:
        if session.state is SyncState.IN_SYNC:
            raise WrongKey  # the vault would give back what this device has
        if has_others:
            say("No key on this device opens this backup. The vault's key may.")
        had = session.current
        key = recovering.fetch(session, password_fd, keep=keep)
        if keep and had is not None and had.key != key:
            say("The vault's key is this device's from now on; its own stays among the old ones.")
        return key


COMMANDS: Final = (backup, restore)
