"""Recovering a key from the vault, and storing it on this device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom.cli import prompts, screen
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.prompts import NotAsChosen
from strongroom.cli.screen import say
from strongroom.cli.sync_state import DESTROYED_ADVICE, LAST_ATTEMPT, SyncState
from strongroom.errors import (
    KeyDestroyed,
    LastAttemptUnderWay,
    NoKey,
    WrongPassword,
)
from strongroom.requests import ActiveKey, DestroyedKey
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from strongroom.backup_key import BackupKey
    from strongroom.cli.vault_session import VaultSession
    from strongroom.requests import KeyStatus


WILL_KEEP: Final = "This device will keep the key, and not ask for the password again."


class VaultHasOther(StrongroomError):
    """The password was right, and the vault's key is not this device's key."""

    message = (
        "The password is right, but the vault has another backup key than this device. Backups made"
        " here do not open with it."
    )
    hint = (
        "strongroom rehearse --adopt    takes the vault's key for this device; its own stays"
        " among its old keys\n"
        "strongroom enable --replace    puts a fresh key in place of the vault's"
    )


class DestroyedButKept(KeyDestroyed):
    """The vault destroyed the key, and this device still has it."""

    hint = DESTROYED_ADVICE[SyncState.DEVICE_ONLY]


def ask_and_recover(
    session: VaultSession, password_fd: int | None, *, is_alone: bool = True
) -> BackupKey:
    """Get the key from the vault; on a terminal, ask again after a wrong password.

    Args:
        session: with the vault.
        password_fd: where a script passes the password.
        is_alone: whether it passes nothing else there.
    """
    found = require_key(session)
    say(f"Attempts left: {found.attempts_left} of {found.attempt_limit}.")
    if found.attempts_left == 0:
        if not session.vault.is_attempt_pending:
            raise LastAttemptUnderWay
        say(
            "The last attempt was cut off. Type the same password again: that still counts as the"
            " same attempt. Any other password destroys the key."
        )
    if found.attempts_left == 1:
        say(LAST_ATTEMPT)
    while True:
        try:
            password = prompts.ask_password(password_fd, is_alone=is_alone)
            with screen.unechoed(), session.patience:
                return session.vault.recover(password)
        except NotAsChosen as error:
            if password_fd is not None:
                raise
            say(f"{error}\n{error.hint}")
        except WrongPassword as error:
            if password_fd is not None or error.attempts_left == 0:
                raise
            say(f"{error}\n{error.hint}")


def fetch(session: VaultSession, password_fd: int | None, *, keep: bool) -> BackupKey:
    """Get the key from the vault with the password, and store it here if `keep` says so."""
    if not keep:
        key = ask_and_recover(session, password_fd)
        say("The key is not kept on this device.")
        return key
    require_key(session)
    session.require_storage()
    say(f"{WILL_KEEP} On a borrowed device stop here (Ctrl-C) and use --no-keep.")
    return recover(session, password_fd, adopt=True)


def recover(
    session: VaultSession, password_fd: int | None, *, adopt: bool, is_alone: bool = True
) -> BackupKey:
    """Get the key from the vault with the password, and store it as this device's key.

    Args:
        session: with storage that is proved already.
        password_fd: where a script passes the password.
        adopt: whether to take the vault's key if this device has another one.
        is_alone: whether the script passes nothing else there.

    Raises:
        VaultHasOther: this device has another one, and `adopt` is false.
    """
    asked = session.status
    key = ask_and_recover(session, password_fd, is_alone=is_alone)
    key_id = asked.key_id if isinstance(asked, ActiveKey) and is_still(session, asked) else None
    mine = session.pending if session.state is SyncState.UNFINISHED else session.current
    if mine is not None and mine.key != key and not adopt:
        raise VaultHasOther
    try:
        session.save_current(StoredKey(key, key_id), is_proven=True)
    except (OSError, StrongroomError) as error:
        say(f"Note: the key is not kept on this device: {reason_of(error)}")
    return key


def say_unneeded(password_fd: int | None, *, keep: bool = True) -> None:
    """Say which options had nothing to do, since this device has the key already."""
    if password_fd is not None:
        say("This device has the key, so the password was not needed. No attempt was used.")
    if not keep:
        say("This device kept the key before, and still does: --no-keep removes nothing.")


def require_key(session: VaultSession) -> ActiveKey:
    """Return what the vault says of its key. Raises NoKey, KeyDestroyed."""
    match session.status:
        case None:
            raise NoKey
        case DestroyedKey(destroyed_at, cause):
            kind = KeyDestroyed if session.current is None else DestroyedButKept
            raise kind(destroyed_at, cause)
        case ActiveKey():
            return session.status


def is_still(session: VaultSession, asked: KeyStatus) -> bool:
    """Whether the vault still has the same key. If it does not answer, the key is stored anyway."""
    try:
        return registration_of(session.refresh()) == registration_of(asked)
    except StrongroomError:
        return False


def registration_of(found: KeyStatus) -> object:
    """Return what a new registration would change in a vault's answer."""
    return found.key_id if isinstance(found, ActiveKey) else type(found)


def reason_of(error: Exception) -> str:
    """Return why something was not stored."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
