"""What the command does with a vault: protect a key, get it back, rehearse, delete it.

Whatever is local is proved before a person types a password, and each key is kept before the vault
is changed: no lost answer, full disk or power cut can leave the vault with a key that is nowhere
else. Nothing is registered over a key that someone protected after this device looked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom.backup_key import BackupKey
from strongroom.cli import prompts, screen
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.recovering import (
    ask_and_recover,
    reason_of,
    recover,
    registration_of,
    require_key,
)
from strongroom.cli.screen import say
from strongroom.cli.sync_state import CHOICES, SyncState
from strongroom.errors import (
    KeyReplaced,
    ProtectionUncertain,
    RehearsalFailed,
    RehearsalUnfinished,
    WrongPassword,
)
from strongroom.requests import DestroyedKey
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from strongroom.cli.vault_session import VaultSession
    from strongroom.requests import Registered


class AlreadyEnabled(StrongroomError):
    """The vault has a key for this account which this device does not have."""

    message = "The vault already has a backup key for this account, and this device has none."
    hint = "Run `strongroom restore` to use that key here, or replace it for good with --replace."


class ChangedElsewhere(StrongroomError):
    """Someone protected a key after this device did."""

    message = (
        "The vault has another key than this device, or the same one protected elsewhere since."
        " Nothing was changed."
    )
    hint = f"Your choices:\n{CHOICES}"


class KeyUnnamed(StrongroomError):
    """This device keeps a key and not what the vault calls it."""

    message = (
        "The vault has a key, and this device does not know whether it is its own: it was kept"
        " by an earlier version. Nothing was changed."
    )
    hint = "Run `strongroom rehearse` once: it tells. Or put a fresh key there with --replace."


class ReplacedMeanwhile(KeyReplaced):
    """Somebody protected or deleted a key while this command waited for a person."""

    message = "The key in the vault was changed elsewhere meanwhile. Nothing was deleted."
    hint = "Run `strongroom status` to see what the vault has now."


class NotKept(StrongroomError):
    """The vault did what was asked, and this device cannot make its note of it."""

    hint = "Mend that, then run `strongroom enable` again to finish."


def enable(
    session: VaultSession,
    password_fd: int | None,
    *,
    accept_weak: bool,
    attempt_limit: int | None,
    is_replacing: bool,
) -> None:
    """Protect this device's key again, or a fresh one where there is none, or another is wanted."""
    if not is_replacing:
        match session.state:
            case SyncState.VAULT_ONLY:
                raise AlreadyEnabled
            case SyncState.CHANGED:
                raise ChangedElsewhere
            case SyncState.UNKNOWN:
                raise KeyUnnamed
            case _:
                pass
    if attempt_limit is not None:
        session.vault.info().require_attempt_limit(attempt_limit)
    session.require_storage()
    if session.state is SyncState.UNFINISHED:
        _take_pending(session)
        if not is_replacing:
            _finish(session, password_fd)
            return
    key = _key_to_protect(session, is_replacing=is_replacing)
    password = prompts.ask_new_password(password_fd, accept_weak=accept_weak)
    registered = protect(session, key, password, attempt_limit)
    limit = registered.attempt_limit
    wrong = "One wrong password" if limit == 1 else f"{limit} wrong passwords in a row"
    say(
        f"Done. {wrong}, and the vault destroys the key.\nWrite down the 64-digit key as well"
        " (strongroom show-key): it opens your backups without a vault."
    )


def change_password(
    session: VaultSession,
    password_fd: int | None,
    new_password_fd: int | None,
    *,
    accept_weak: bool,
) -> None:
    """Protect the key that the vault has with another password."""
    require_key(session)
    if session.state is SyncState.CHANGED:
        raise ChangedElsewhere
    session.require_storage()
    if session.state is SyncState.UNFINISHED:
        _take_pending(session)
    if session.current is None or session.state is SyncState.UNKNOWN:
        key = recover(session, password_fd, adopt=session.current is None)
    else:
        key = session.current.key
    password = prompts.ask_new_password(new_password_fd, accept_weak=accept_weak)
    protect(session, key, password, attempt_limit=None)
    say("Done. The vault gave the key back for the new password.")


def rehearse(session: VaultSession, password_fd: int | None, *, adopt: bool) -> None:
    """Get the key back and compare it with this device's."""
    require_key(session)
    session.require_storage()
    if session.state is SyncState.CHANGED:
        say(
            "The key in the vault was protected on another device, after this one. This tells"
            " whether it is the same key."
        )
    had = session.current
    if session.state is SyncState.VAULT_ONLY and not adopt:
        ask_and_recover(session, password_fd)
        session.pin_identity()
    else:
        recover(session, password_fd, adopt=adopt)
        if had is not None and session.current is not None and session.current.key != had.key:
            say("This device had another key before. It stays among its old keys, for old backups.")
    say("Good: the vault gave the key back for this password.")


def protect(
    session: VaultSession, key: BackupKey, password: str, attempt_limit: int | None
) -> Registered:
    """Register `key`, kept before and after; then get it back to be sure.

    Raises:
        KeyReplaced: somebody protected a key since this device looked. Nothing was changed.
        ProtectionUncertain: the vault may or may not have the key; this device keeps it as pending.
        RehearsalFailed, RehearsalUnfinished: the vault has the key, and so has this device.
        NotKept: the vault has the key; on this device it is still pending.
    """

    def before_commit(key_id: bytes) -> None:
        # The vault takes a registration only if nothing was registered since its start, which
        # was before this look; so nothing can come between this look and the commit.
        if registration_of(session.vault.status()) != registration_of(session.status):
            raise KeyReplaced
        session.save_pending(StoredKey(key, key_id))

    say("Protecting the key, then getting it back to be sure ...")
    try:
        with screen.unechoed():
            registered = session.vault.protect(
                key, password, attempt_limit=attempt_limit, before_commit=before_commit
            )
    except (RehearsalFailed, RehearsalUnfinished):
        _keep_pending(session)
        raise
    except ProtectionUncertain:
        say("This device keeps the new key until it is known which one the vault has.")
        raise
    _keep_pending(session, is_proven=True)
    return registered


def disable(session: VaultSession, *, yes: bool) -> None:
    """Delete the account's key in the vault."""
    if session.state is SyncState.CHANGED:
        say(
            "The key in the vault was protected on another device, after this one. Backups that"
            " were made with it may then open with that device or its 64 digits alone."
        )
    if not yes:
        prompts.require_yes("Delete the key in the vault?")
    asked, was_ours = session.status, session.state is SyncState.IN_SYNC
    if registration_of(session.refresh()) != registration_of(asked):
        raise ReplacedMeanwhile  # the yes was to another key
    session.vault.delete()
    with suppress(StrongroomError):  # it is deleted, whatever the vault says after that
        session.refresh()
    if was_ours:
        say("Deleted. Your backups open only with the 64-digit key now, or with this device's key.")
    else:
        say("Deleted. Backups made with that key open only with its 64 digits now, or with a")
        say("device that keeps it.")


def _key_to_protect(session: VaultSession, *, is_replacing: bool) -> BackupKey:
    """The kept key, if that is what is wanted; else a fresh one, and what becomes of the old."""
    current = session.current
    if current is None:
        if session.state is SyncState.VAULT_ONLY:
            say(
                "This puts a fresh key into the vault. What it has now is gone for good then:\n"
                "keep its 64 digits, or a device that has it, for backups made with it."
            )
        return BackupKey.generate()
    is_lost = session.state is SyncState.DEVICE_ONLY and isinstance(session.status, DestroyedKey)
    if not is_replacing and (session.state is SyncState.IN_SYNC or is_lost):
        say(
            "This device has the key already. It stays the same; the password that you choose now"
            " takes the place of the one before."
        )
        return current.key
    say(
        "This makes a fresh key. Backups made until now open only with the old key.\n"
        "This device keeps it for them; keep its 64 digits too\n"
        "(strongroom show-key --old, once this is done)."
    )
    return BackupKey.generate()


def _take_pending(session: VaultSession) -> None:
    """The vault has the pending key: it is this device's from now on."""
    say("The last change was cut off, and the vault has the new key. This device takes it now.")
    _keep_pending(session)


def _finish(session: VaultSession, password_fd: int | None) -> None:
    """Find out whether the person knows the password of what was cut off."""
    say("Type the password that you chose then.")
    try:
        key = ask_and_recover(session, password_fd)
    except WrongPassword:
        say(
            "This device has the key all the same. If you do not know which password it was,"
            " choose a new one: strongroom change-password"
        )
        raise
    if session.current is None or key != session.current.key:
        raise RehearsalFailed
    session.pin_identity()
    say("Done. The vault gave the key back for this password.")


def _keep_pending(session: VaultSession, *, is_proven: bool = False) -> None:
    """Make the pending key the current one."""
    try:
        session.promote_pending(is_proven=is_proven)
    except (OSError, StrongroomError) as error:
        where = session.keys.slots.where("pending")
        raise NotKept(
            f"The vault has the new key. It is in {where}, not yet in its place: {reason_of(error)}"
        ) from error
