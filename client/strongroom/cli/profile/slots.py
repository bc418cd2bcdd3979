"""Where a device keeps its keys: private files, or the system keyring."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import keyring

from strongroom import drafts
from strongroom.cli.profile import device_folder
from strongroom.cli.profile.profiles import KEY_FILE, OLD_FILE, PENDING_FILE
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.cli.profile.profiles import Place, Profile

KEYRING_SERVICE: Final = "strongroom"

Slot: TypeAlias = Literal["current", "pending", "old"]
"""The device's key, one that the vault has not confirmed yet, and older ones."""


class KeyringUnusable(StrongroomError):
    """The system keyring does not work."""

    message = "The system keyring does not work here."
    hint = "Unlock it, or use --key-store file."


class KeyNotKept(StrongroomError):
    """A key was saved, but cannot be read back."""

    hint = "Use --key-store file, or find out why the key store loses what it is given."


class Slots(Protocol):
    """A durable private store of three texts."""

    name: str

    def where(self, slot: Slot) -> str:
        """Return where a slot is, for messages."""

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None if it is empty."""

    def write(self, slot: Slot, text: str) -> None:
        """Replace the text of a slot."""

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""

    def prove(self) -> None:
        """Write something, read it back and remove it. Raises a StrongroomError."""


class FileSlots:
    """Files of mode 0600."""

    name = "file"
    _FILES: Final[dict[Slot, str]] = {
        "current": KEY_FILE,
        "pending": PENDING_FILE,
        "old": OLD_FILE,
    }

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, slot: Slot) -> str:
        """Return where a slot is, for messages."""
        return str(self._path(slot))

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None if it is empty."""
        return device_folder.read_private(self._path(slot), is_secret=True)

    def write(self, slot: Slot, text: str) -> None:
        """Replace the text of a slot."""
        device_folder.write_private(self._path(slot), text)

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""
        drafts.remove(self._path(slot))

    def prove(self) -> None:
        """Write something and remove it."""
        device_folder.prove_writable(self._folder)

    def _path(self, slot: Slot) -> Path:
        return self._folder / self._FILES[slot]


class KeyringSlots:
    """Entries of the system keyring."""

    name = "keyring"
    _SUFFIXES: Final[dict[Slot, str]] = {"current": "", "pending": " (pending)", "old": " (old)"}

    def __init__(self, profile: Profile) -> None:
        self._user = f"{profile.account} at {profile.identity}"
        # Earlier versions filed keys under the vault's address instead of its identity.
        self._earlier = [f"{profile.account} at {at}" for at in (profile.vault, *profile.also_at)]

    def where(self, slot: Slot) -> str:
        """Return where a slot is, for messages."""
        return f"the keyring's entry {self._entry(slot)!r}"

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None if it is empty."""
        found = _get(self._entry(slot))
        if found is None and slot == "current":
            return next(filter(None, map(_get, self._earlier)), None)
        return found

    def write(self, slot: Slot, text: str) -> None:
        """Replace the text of a slot."""
        _set(self._entry(slot), text)

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""
        _delete(self._entry(slot))

    def prove(self) -> None:
        """Write something, read it back and remove it."""
        user, text = f"{self._user} (test)", secrets.token_hex(16)
        _set(user, text)
        found = _get(user)
        if found != text:
            raise KeyNotKept("The system keyring does not keep what is saved in it.")
        _delete(user)

    def _entry(self, slot: Slot) -> str:
        return self._user + self._SUFFIXES[slot]


def has_keyring() -> bool:
    """Whether this system has a keyring that keeps secrets."""
    try:
        return bool(keyring.get_keyring().priority >= 1)
    except Exception:  # noqa: BLE001 -- a keyring's backend is a plugin and raises what it likes
        return False


def _get(user: str) -> str | None:
    try:
        found = keyring.get_password(KEYRING_SERVICE, user)
    except Exception as error:
        raise KeyringUnusable from error
    if found is not None and not isinstance(found, str):
        raise KeyringUnusable("The system keyring returned something that is not text.")
    return found


def _set(user: str, text: str) -> None:
    try:
        keyring.set_password(KEYRING_SERVICE, user, text)
    except Exception as error:
        raise KeyringUnusable from error


def _delete(user: str) -> None:
    try:
        if keyring.get_password(KEYRING_SERVICE, user) is not None:
            keyring.delete_password(KEYRING_SERVICE, user)
    except Exception as error:
        raise KeyringUnusable from error


def slots_of(kind: str, place: Place) -> Slots:
    """Return an account's slots of a kind: keyring or file."""
    if kind == "keyring":
        return KeyringSlots(place.profile)
    return FileSlots(place.folder)
