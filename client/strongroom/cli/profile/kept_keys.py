"""The backup keys of one account on this device, in its files or in the system keyring.

There are three slots. `current` is the key that backups are made with. `pending` is one that the
vault was about to get: it is kept before the call that may take effect, so that no lost answer
loses it. `old` has every key that was current or pending before: older backups open with them.

What is saved is read back. Every step leaves each key in at least one slot.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import keyring

from strongroom.backup_key import BackupKey
from strongroom.cli.profile import device_folder
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom.cli.profile.profiles import KEY_FILE, OLD_FILE, PENDING_FILE
from strongroom.errors import BadDigits
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.cli.profile.profiles import Profile

KEYRING_SERVICE: Final = "strongroom"
KEY_ID_SIZE: Final = 16
_KEY_ID: Final = "key-id:"

Slot: TypeAlias = Literal["current", "pending", "old"]


class KeyringUnusable(StrongroomError):
    """The system keyring does not work."""

    sentence = "The system keyring does not work here."
    hint = "Unlock it, or use --key-store file."


class KeyNotKept(StrongroomError):
    """What was saved cannot be read back."""

    hint = "Use --key-store file, or mend what keeps the key."


@dataclass(frozen=True, slots=True)
class KeptKey:
    """A backup key and what the vault calls it.

    Attributes:
        key: the key.
        key_id: 16 bytes, of the registration that this device made or recovered last. None where it
            is not known: the key was kept before ids were.
    """

    key: BackupKey
    key_id: bytes | None

    def line(self) -> str:
        """The key as it is kept. Secret."""
        known = "" if self.key_id is None else f" {_KEY_ID}{self.key_id.hex()}"
        return self.key.digits + known

    @classmethod
    def parse(cls, line: str) -> KeptKey:
        """Read what `line` made.

        Raises:
            BadDigits: it is no such line.
        """
        digits, _, known = line.partition(_KEY_ID)
        try:
            key_id = bytes.fromhex(known)
        except ValueError:
            raise BadDigits("The key id is damaged.") from None
        if key_id and len(key_id) != KEY_ID_SIZE:
            raise BadDigits("The key id is damaged.")
        return cls(BackupKey.from_digits(digits), key_id or None)


class Slots(Protocol):
    """Somewhere to keep texts, durably and in private."""

    name: str

    def where(self, slot: Slot) -> str:
        """Say where a slot is, for a person."""

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None where there is none."""

    def write(self, slot: Slot, text: str) -> None:
        """Put a text into a slot, instead of any other."""

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""

    def prove(self) -> None:
        """Keep something, read it back and remove it. Raises a StrongroomError."""


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
        """Say where a slot is, for a person."""
        return str(self._path(slot))

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None where there is none."""
        return device_folder.read_private(self._path(slot), is_secret=True)

    def write(self, slot: Slot, text: str) -> None:
        """Put a text into a slot, instead of any other."""
        device_folder.write_private(self._path(slot), text)

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""
        device_folder.remove(self._path(slot))

    def prove(self) -> None:
        """Keep something and remove it."""
        device_folder.prove_writable(self._folder)

    def _path(self, slot: Slot) -> Path:
        return self._folder / self._FILES[slot]


class KeyringSlots:
    """Entries of the system keyring."""

    name = "keyring"
    _SUFFIXES: Final[dict[Slot, str]] = {"current": "", "pending": " (pending)", "old": " (old)"}

    def __init__(self, profile: Profile) -> None:
        self._user = f"{profile.account} at {profile.identity}"
        # Keys were filed under the vault's address before they were under its identity.
        self._earlier = [f"{profile.account} at {at}" for at in (profile.vault, *profile.also_at)]

    def where(self, slot: Slot) -> str:
        """Say where a slot is, for a person."""
        return f"the keyring's entry {self._entry(slot)!r}"

    def read(self, slot: Slot) -> str | None:
        """Return the text of a slot, None where there is none."""
        found = _get(self._entry(slot))
        if found is None and slot == "current":
            return next(filter(None, map(_get, self._earlier)), None)
        return found

    def write(self, slot: Slot, text: str) -> None:
        """Put a text into a slot, instead of any other."""
        _set(self._entry(slot), text)

    def remove(self, slot: Slot) -> None:
        """Empty a slot."""
        _delete(self._entry(slot))

    def prove(self) -> None:
        """Keep something, read it back and remove it."""
        user, text = f"{self._user} (test)", secrets.token_hex(16)
        _set(user, text)
        found = _get(user)
        if found != text:
            raise KeyNotKept("The system keyring does not keep what is saved in it.")
        _delete(user)

    def _entry(self, slot: Slot) -> str:
        return self._user + self._SUFFIXES[slot]


class KeptKeys:
    """An account's keys on this device."""

    def __init__(self, slots: Slots, earlier: Slots | None = None) -> None:
        """Take where keys are kept from now on, and where they were until now if not there."""
        self.slots = slots
        self.earlier = earlier

    def current(self) -> KeptKey | None:
        """Return the key that backups are made with.

        Raises:
            HomeUnusable: what is there is no key, or others can read it.
            KeyringUnusable: the keyring does not answer.
        """
        return next(iter(self._read("current")), None)

    def pending(self) -> KeptKey | None:
        """Return the key that the vault was about to get."""
        return next(iter(self._read("pending")), None)

    def old(self) -> list[KeptKey]:
        """Return the keys of before, the newest last."""
        return self._read("old")

    def every(self) -> list[KeptKey]:
        """Return all keys of the account: current, pending, and the old ones from the newest."""
        return [*self._read("current"), *self._read("pending"), *reversed(self.old())]

    def expect(self, kept: KeptKey) -> None:
        """Keep a key that the vault is about to get. The current one stays so.

        Raises:
            KeyNotKept, KeyringUnusable, OSError: it is not kept; do not go on.
        """
        self._to_old(self.pending(), unless=kept)
        self._write("pending", [kept])

    def keep(self, kept: KeptKey) -> None:
        """Make a key the current one; the one that it replaces is an old one from now on."""
        for other in (self.current(), self.pending()):
            self._to_old(other, unless=kept)
        self._write("current", [kept])
        self.slots.remove("pending")

    def move(self) -> None:
        """Copy the keys from where they were until now. They stay there too."""
        if self.earlier is None:
            return
        current, pending, old = self._read("current"), self._read("pending"), self.old()
        if old:
            self._write("old", old)
        self.earlier = None
        if current:
            for other in self._read("current"):
                self._to_old(other, unless=current[0])
            self._write("current", current)
        if pending:
            self.expect(pending[0])

    def _to_old(self, replaced: KeptKey | None, unless: KeptKey) -> None:
        if replaced is None or replaced.key == unless.key:
            return
        others = [kept for kept in self.old() if kept.key != replaced.key]
        self._write("old", [*others, replaced])

    def _read(self, slot: Slot) -> list[KeptKey]:
        if self.earlier is None:
            return _parse_slot(self.slots, slot)
        try:
            found = _parse_slot(self.earlier, slot)
        except KeyringUnusable:
            found = []  # another store was named because the keyring does not work
        if found and slot != "old":
            return found
        return [*found, *_parse_slot(self.slots, slot)]

    def _write(self, slot: Slot, keys: list[KeptKey]) -> None:
        text = "\n".join(kept.line() for kept in keys)
        self.slots.write(slot, text + "\n")
        if (self.slots.read(slot) or "").strip() != text:
            raise KeyNotKept(
                f"The key was saved, and cannot be read back: {self.slots.where(slot)}."
            )


def has_keyring() -> bool:
    """Whether this system has a keyring that keeps secrets."""
    try:
        return bool(keyring.get_keyring().priority >= 1)
    except Exception:  # noqa: BLE001 -- a keyring's backend is a plugin and raises what it likes
        return False


def _parse_slot(slots: Slots, slot: Slot) -> list[KeptKey]:
    text = slots.read(slot)
    try:
        return [] if text is None else [KeptKey.parse(line) for line in text.strip().split("\n")]
    except BadDigits as error:
        raise HomeUnusable(f"There is no backup key in {slots.where(slot)}: {error}") from error


def _get(user: str) -> str | None:
    try:
        found = keyring.get_password(KEYRING_SERVICE, user)
    except Exception as error:
        raise KeyringUnusable from error
    if found is not None and not isinstance(found, str):
        raise KeyringUnusable("The system keyring gives back something else than a text.")
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
