"""Getting a key back from the vault, and making it this device's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.cli import prompts, screen
from strongroom.cli.profile.stored_keys import StoredKey
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


class VaultHasOther(StrongroomError):
    """The password was right, and what came back is not this device's key."""

    message = (
        "The password is right, and the vault has another backup key than this device. Backups made"
        " here do not open with it."
    )
    hint = (
        "strongroom rehearse --adopt    takes the vault's key for this device; its own stays\n"
        "                               among its old keys\n"
        "strongroom enable --replace    puts a fresh key in place of the vault's"
    )


class DestroyedButKept(KeyDestroyed):
    """The vault destroyed the key, and this device still has it."""

    hint = DESTROYED_ADVICE[SyncState.DEVICE_ONLY]


def ask_and_recover(session: VaultSession, password_fd: int | None) -> BackupKey:
    """Get the key from the vault; on a terminal a wrong password may be mended."""
    found = require_key(session)
    say(f"Attempts left: {found.attempts_left} of {found.attempt_limit}.")
    if found.attempts_left == 0:
        if not session.vault.is_attempt_pending:
            raise LastAttemptUnderWay
        say(
            "The last attempt was cut off. Type the same password again: that still counts as the"
            " same attempt. Any other one destroys the key."
        )
    if found.attempts_left == 1:
        say(LAST_ATTEMPT)
    while True:
        password = prompts.ask_password(password_fd)
        try:
            with screen.unechoed():
                return session.vault.recover(password)
        except WrongPassword as error:
            if password_fd is not None or error.attempts_left == 0:
                raise
            say(f"{error}\n{error.hint}")


def recover(session: VaultSession, password_fd: int | None, *, adopt: bool) -> BackupKey:
    """Get the key from the vault with the password, and make it this device's.

    Args:
        session: the vault; that a key can be kept is proved already.
        password_fd: where a script has the password.
        adopt: whether to take it if this device keeps another one.

    Raises:
        VaultHasOther: this device keeps another one, and it is not to be adopted.
    """
    asked = session.status
    key = ask_and_recover(session, password_fd)
    key_id = asked.key_id if isinstance(asked, ActiveKey) and is_still(session, asked) else None
    mine = session.pending if session.state is SyncState.UNFINISHED else session.current
    if mine is not None and mine.key != key and not adopt:
        raise VaultHasOther
    try:
        session.save_current(StoredKey(key, key_id), is_proven=True)
    except (OSError, StrongroomError) as error:
        say(f"Note: the key is not kept on this device: {reason_of(error)}")
    return key


def require_key(session: VaultSession) -> ActiveKey:
    """Return the key that the vault has, or raise what there is instead."""
    match session.status:
        case None:
            raise NoKey
        case DestroyedKey(destroyed_at, cause):
            kind = KeyDestroyed if session.current is None else DestroyedButKept
            raise kind(destroyed_at, cause)
        case ActiveKey():
            return session.status


def is_still(session: VaultSession, asked: KeyStatus) -> bool:
    """Whether the vault has what it had; if it does not say, nothing that was gained is lost."""
    try:
        return registration_of(session.refresh()) == registration_of(asked)
    except StrongroomError:
        return False


def registration_of(found: KeyStatus) -> object:
    """Return what a vault has, as far as a registration changes it."""
    return found.key_id if isinstance(found, ActiveKey) else type(found)


def reason_of(error: Exception) -> str:
    """Return why something was not kept."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)
