"""Protecting a key, changing its password, rehearsing, deleting.

This device's storage is proved before a person types a password, and each key is stored before the
vault is changed: no lost answer, full disk or power cut can leave the vault with a key that exists
nowhere else. A key that someone protected after this device looked is never overwritten.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from strongroom.backup_key import BackupKey
from strongroom.cli import prompts, screen
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.recovering import (
    WILL_KEEP,
    ask_and_recover,
    reason_of,
    recover,
    registration_of,
    require_key,
    say_unneeded,
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


_HAS_IT_HERE: Final = (SyncState.IN_SYNC, SyncState.UNFINISHED)


class AlreadyEnabled(StrongroomError):
    """The vault has a key for this account which this device does not have."""

    message = "The vault already has a backup key for this account, and this device has none."
    hint = (
        "To use that key here: strongroom show-key, or strongroom restore FILE. To replace it for"
        " good: strongroom enable --replace"
    )


class ChangedElsewhere(StrongroomError):
    """Someone protected a key after this device did."""

    message = (
        "The vault has another key than this device, or the same one protected elsewhere since."
        " Nothing was changed."
    )
    hint = f"Your choices:\n{CHOICES}"


class KeyUnnamed(StrongroomError):
    """This device stores a key without its id."""

    message = (
        "The vault has a key, and this device cannot tell whether it is the same as its own, which"
        " an earlier version stored. Nothing was changed."
    )
    hint = "Run `strongroom rehearse` to find out, or put a fresh key there with --replace."


class ReplacedMeanwhile(KeyReplaced):
    """Somebody protected or deleted a key while this command waited for a person."""

    message = "The key in the vault was changed elsewhere meanwhile. Nothing was deleted."
    hint = "Run `strongroom status` to see what the vault has now."


class NotKept(StrongroomError):
    """The vault has the key, and this device could not make it the current one."""

    hint = "Fix that, then run `strongroom enable` again to finish."


def enable(
    session: VaultSession,
    password_fd: int | None,
    *,
    accept_weak: bool,
    attempt_limit: int | None,
    is_replacing: bool,
) -> None:
    """Protect this device's key again, or a fresh key if it has none or is to be replaced."""
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
        _adopt_pending(session)
        if not is_replacing:
            _finish(session, password_fd)
            return
    key = _key_to_protect(session, is_replacing=is_replacing)
    password = prompts.ask_new_password(password_fd, accept_weak=accept_weak)
    registered = protect(session, key, password, attempt_limit)
    limit = registered.attempt_limit
    wrong = "one wrong password" if limit == 1 else f"{limit} wrong passwords in a row"
    say(
        f"Done. After {wrong} the vault destroys the key.\nWrite down the 64-digit key as well"
        " (strongroom show-key): it opens your backups without a vault."
    )


def change_password(
    session: VaultSession,
    password_fd: int | None,
    new_password_fd: int | None,
    *,
    accept_weak: bool,
) -> None:
    """Protect the vault's key with another password."""
    require_key(session)
    if session.state is SyncState.CHANGED:
        raise ChangedElsewhere
    session.require_storage()
    if session.state is SyncState.UNFINISHED:
        _adopt_pending(session)
    is_alone = password_fd != new_password_fd
    if session.current is None or session.state is SyncState.UNKNOWN:
        if session.current is None:
            say(WILL_KEEP)
        key = recover(session, password_fd, adopt=session.current is None, is_alone=is_alone)
    else:
        key = session.current.key
        say_unneeded(password_fd)
        if password_fd is not None and not is_alone:
            prompts.ask_password(password_fd, is_alone=False)  # the new one is the next line
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
    """Register `key` and recover it, to be sure, in an order that loses no key.

    1. The vault prepares the registration. Nothing has changed yet.
    2. Ask the vault again what it has: if somebody protected a key meanwhile, stop.
    3. Store the key here as pending. Later, a lost answer would leave it in the vault alone.
    4. Commit the registration, and recover the key with the password.
    5. Make it the current key here. Earlier, backups might be made with a key that no vault has.

    Raises:
        KeyReplaced: somebody protected a key since this device looked. Nothing was changed.
        ProtectionUncertain: the vault may or may not have the key; here it stays pending.
        RehearsalFailed, RehearsalUnfinished: the vault has the key, and so has this device.
        NotKept: the vault has the key; here it is still pending.
    """

    def before_commit(key_id: bytes) -> None:
        # The vault commits a registration only if nothing else was registered since it was
        # prepared, so nothing can come between this question and the commit.
        if registration_of(session.vault.status()) != registration_of(session.status):
            raise KeyReplaced
        session.save_pending(StoredKey(key, key_id))

    say("Protecting the key, then getting it back to be sure ...")
    try:
        with screen.unechoed(), session.patience:
            registered = session.vault.protect(
                key, password, attempt_limit=attempt_limit, before_commit=before_commit
            )
    except (RehearsalFailed, RehearsalUnfinished):
        _promote_pending(session)
        raise
    except ProtectionUncertain:
        say("This device keeps the new key until it is known which one the vault has.")
        raise
    _promote_pending(session, is_proven=True)
    return registered


def disable(session: VaultSession, *, yes: bool) -> None:
    """Delete the account's key in the vault."""
    require_key(session)
    if session.state is SyncState.CHANGED:
        say("The key in the vault was protected on another device, after this one.")
    keeps = "this device" if session.state in _HAS_IT_HERE else "a device that keeps it"
    if not yes:
        say(
            "Once it is deleted, no password opens your backups: only the 64-digit key does, or"
            f" {keeps}."
        )
        prompts.require_yes("Delete the key from the vault for good?")
    asked = session.status
    if registration_of(session.refresh()) != registration_of(asked):
        raise ReplacedMeanwhile  # the person agreed to delete another key
    with session.patience:
        session.vault.delete()
    with suppress(StrongroomError):  # it is deleted, even if the vault does not answer now
        session.refresh()
    say(f"Deleted. Backups made with that key open only with its 64 digits now, or with {keeps}.")


def _key_to_protect(session: VaultSession, *, is_replacing: bool) -> BackupKey:
    """Return this device's key or a fresh one, and say what that means for earlier backups."""
    current = session.current
    if current is None:
        if session.state is SyncState.VAULT_ONLY:
            say(
                "This puts a fresh key into the vault; the one that it has now is gone for good.\n"
                "For backups made with that one, keep its 64 digits or a device that has it."
            )
        return BackupKey.generate()
    is_lost = session.state is SyncState.DEVICE_ONLY and isinstance(session.status, DestroyedKey)
    if not is_replacing and (session.state is SyncState.IN_SYNC or is_lost):
        say(
            "This device already has the key. It stays the same; the password that you choose now"
            " replaces the old one."
        )
        return current.key
    say(
        "This makes a fresh key. Backups made until now open only with the old key.\n"
        "This device keeps it for them. Once this is done, write down its 64 digits too:\n"
        "strongroom show-key --old"
    )
    return BackupKey.generate()


def _adopt_pending(session: VaultSession) -> None:
    """Make the pending key the current one: the vault has it."""
    say("The last change was cut off, and the vault has the new key. This device takes it now.")
    _promote_pending(session)


def _finish(session: VaultSession, password_fd: int | None) -> None:
    """Finish a change that was cut off: check that the person knows its password."""
    say("Type the password that you chose for it.")
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


def _promote_pending(session: VaultSession, *, is_proven: bool = False) -> None:
    """Make the pending key the current one. Raises NotKept."""
    try:
        session.promote_pending(is_proven=is_proven)
    except (OSError, StrongroomError) as error:
        where = session.keys.slots.where("pending")
        raise NotKept(
            f"The vault has the new key. Here it is still in {where}: {reason_of(error)}"
        ) from error
