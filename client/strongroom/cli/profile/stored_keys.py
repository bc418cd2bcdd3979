"""The backup keys of one account on this device, in its files or in the system keyring.

There are three slots. `current` is the key that backups are made with. `pending` is one that the
vault was about to get: it is kept before the call that may take effect, so that no lost answer
loses it. `old` has every key that was current or pending before: older backups open with them.

What is saved is read back. Every step leaves each key in at least one slot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from strongroom.backup_key import BackupKey
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom.cli.profile.slots import KeyNotKept, KeyringUnusable, Slot, Slots
from strongroom.errors import BadDigits
from strongroom_protocol.labels import KEY_ID_SIZE

_KEY_ID: Final = "key-id:"


@dataclass(frozen=True, slots=True)
class StoredKey:
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
    def parse(cls, line: str) -> StoredKey:
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


class StoredKeys:
    """An account's keys on this device."""

    def __init__(self, slots: Slots, earlier: Slots | None = None) -> None:
        """Take where keys are kept from now on, and where they were until now if not there."""
        self.slots = slots
        self.earlier = earlier

    def current(self) -> StoredKey | None:
        """Return the key that backups are made with.

        Raises:
            HomeUnusable: what is there is no key, or others can read it.
            KeyringUnusable: the keyring does not answer.
        """
        return next(iter(self._read("current")), None)

    def pending(self) -> StoredKey | None:
        """Return the key that the vault was about to get."""
        return next(iter(self._read("pending")), None)

    def old(self) -> list[StoredKey]:
        """Return the keys of before, the newest last."""
        return self._read("old")

    def all_keys(self) -> list[StoredKey]:
        """Return all keys of the account: current, pending, and the old ones from the newest."""
        return [*self._read("current"), *self._read("pending"), *reversed(self.old())]

    def save_pending(self, kept: StoredKey) -> None:
        """Keep a key that the vault is about to get. The current one stays so.

        Raises:
            KeyNotKept, KeyringUnusable, OSError: it is not kept; do not go on.
        """
        self._to_old(self.pending(), unless=kept)
        self._write("pending", [kept])

    def save_current(self, kept: StoredKey) -> None:
        """Make a key the current one; the one that it replaces is an old one from now on."""
        for other in (self.current(), self.pending()):
            self._to_old(other, unless=kept)
        self._write("current", [kept])
        self.slots.remove("pending")

    def migrate(self) -> None:
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
            self.save_pending(pending[0])

    def _to_old(self, replaced: StoredKey | None, unless: StoredKey) -> None:
        if replaced is None or replaced.key == unless.key:
            return
        others = [kept for kept in self.old() if kept.key != replaced.key]
        self._write("old", [*others, replaced])

    def _read(self, slot: Slot) -> list[StoredKey]:
        if self.earlier is None:
            return _parse_slot(self.slots, slot)
        try:
            found = _parse_slot(self.earlier, slot)
        except KeyringUnusable:
            found = []  # another store was named because the keyring does not work
        if found and slot != "old":
            return found
        return [*found, *_parse_slot(self.slots, slot)]

    def _write(self, slot: Slot, keys: list[StoredKey]) -> None:
        text = "\n".join(kept.line() for kept in keys)
        self.slots.write(slot, text + "\n")
        if (self.slots.read(slot) or "").strip() != text:
            raise KeyNotKept(
                f"The key was saved, and cannot be read back: {self.slots.where(slot)}."
            )


def _parse_slot(slots: Slots, slot: Slot) -> list[StoredKey]:
    text = slots.read(slot)
    try:
        return [] if text is None else [StoredKey.parse(line) for line in text.strip().split("\n")]
    except BadDigits as error:
        raise HomeUnusable(f"There is no backup key in {slots.where(slot)}: {error}") from error
