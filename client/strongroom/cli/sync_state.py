"""How the vault's key compares with this device's, and what a person is told about that.

A key id names one registration: the same backup key gets a new id whenever it is protected again.
So another id in the vault than here only says that someone protected a key after this device did:
the same key with another password, or another key. Only the password can tell which.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from strongroom.cli.profile.profiles import DESTROYED, NONE, NOTHING_NEW
from strongroom.requests import ActiveKey, DestroyedKey

if TYPE_CHECKING:
    from strongroom.cli.profile.stored_keys import StoredKey
    from strongroom.requests import KeyStatus


class SyncState(Enum):
    """What the vault and this device have."""

    NEITHER = auto()
    DEVICE_ONLY = auto()
    VAULT_ONLY = auto()
    IN_SYNC = auto()
    """The vault has the registration that this device made or recovered last."""
    UNFINISHED = auto()
    """The vault has the key that this device was about to protect when it was cut off."""
    UNKNOWN = auto()
    """This device has a key without its id, stored by an earlier version."""
    CHANGED = auto()
    """A key was protected elsewhere after this device's."""


def sync_state_of(
    found: KeyStatus, current: StoredKey | None, pending: StoredKey | None
) -> SyncState:
    """Compare by key ids."""
    if not isinstance(found, ActiveKey):
        return SyncState.NEITHER if current is None else SyncState.DEVICE_ONLY
    if current is not None and current.key_id == found.key_id:
        return SyncState.IN_SYNC
    if pending is not None and pending.key_id == found.key_id:
        return SyncState.UNFINISHED
    if current is None:
        return SyncState.VAULT_ONLY
    return SyncState.UNKNOWN if current.key_id is None else SyncState.CHANGED


def status_note(found: KeyStatus, state: SyncState) -> str:
    """Return what a profile notes about the vault's answer (`Profile.vault_has`)."""
    match found:
        case ActiveKey(key_id=key_id):
            is_new = state in (SyncState.CHANGED, SyncState.UNFINISHED)
            return key_id.hex() if is_new else NOTHING_NEW
        case DestroyedKey():
            return DESTROYED
        case None:
            return NONE


IN_WORDS: Final = {
    SyncState.NEITHER: "no key",
    SyncState.DEVICE_ONLY: "THIS DEVICE HAS A KEY THAT THE VAULT DOES NOT HAVE",
    SyncState.VAULT_ONLY: "no key",
    SyncState.IN_SYNC: "this device has the key",
    SyncState.UNFINISHED: "THE LAST CHANGE OF THE KEY WAS NOT FINISHED ON THIS DEVICE",
    SyncState.UNKNOWN: "this device has a key; `strongroom rehearse` tells whether it is the same",
    SyncState.CHANGED: "THE VAULT HAS ANOTHER KEY, OR THE SAME KEY WITH A NEWER PASSWORD",
}

CHOICES: Final = (
    "strongroom rehearse            checks whether it is the same key (new password)\n"
    "strongroom rehearse --adopt    takes the vault's key for this device\n"
    "strongroom enable --replace    puts a fresh key in place of the vault's"
)

ADVICE: Final = {
    SyncState.DEVICE_ONLY: (
        "The password opens nothing now: your backups open only with this device or the"
        " 64-digit key. Run `strongroom enable` to be protected again."
    ),
    SyncState.VAULT_ONLY: (
        "Run `strongroom restore FILE` or `strongroom show-key` to get the key with the password."
    ),
    SyncState.UNFINISHED: (
        "The vault has the new key, but its answer did not reach this device, which keeps that key"
        " too. Run `strongroom enable` to finish."
    ),
    SyncState.CHANGED: (
        "The key in the vault was protected on another device, after this one: it is either the"
        " same key with another password, or another key. If it is another one, the password does"
        " not open the backups of this device.\n"
        "If it was not you, someone else has access to this account.\n"
        f"Your choices:\n{CHOICES}"
    ),
}


DESTROYED_ADVICE: Final = {
    SyncState.DEVICE_ONLY: (
        "No password opens the vault's key any more. This device still has the key, and your"
        " backups open with it. Protect the same key again, with a new password:\n"
        "strongroom enable\n"
        "Its 64 digits open your backups without a vault; to write them down:\n"
        "strongroom show-key"
    ),
    SyncState.NEITHER: (
        "Backups made with it open only with its 64 digits (strongroom restore --digits), or on a"
        " device that keeps it: there `strongroom enable` protects it again. Here"
        " `strongroom enable` makes a fresh key."
    ),
}

LAST_ATTEMPT: Final = "One attempt is left: the next wrong password destroys the key for good."
LAST_IS_UNDECIDED: Final = (
    "The last attempt is still undecided. If the password was wrong, the key is destroyed."
)


def advice_of(state: SyncState, found: KeyStatus) -> str:
    """Return what a person should do now; empty if all is well."""
    advice = DESTROYED_ADVICE if isinstance(found, DestroyedKey) else ADVICE
    return advice.get(state, "")


def warning_of(vault_has: str, pending: StoredKey | None) -> str:
    """Return what a person who makes a backup must know; empty if all is well."""
    if vault_has == NOTHING_NEW:
        return ""
    if vault_has == NONE:
        return f"The vault has no key for this account. {ADVICE[SyncState.DEVICE_ONLY]}"
    if vault_has == DESTROYED:
        return f"The vault destroyed the key. {DESTROYED_ADVICE[SyncState.DEVICE_ONLY]}"
    if pending is not None and pending.key_id is not None and pending.key_id.hex() == vault_has:
        return ADVICE[SyncState.UNFINISHED]
    return ADVICE[SyncState.CHANGED]
