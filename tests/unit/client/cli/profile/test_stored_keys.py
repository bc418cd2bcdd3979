"""Keys on a device: what is saved is read back, and no step loses one, wherever it is cut off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from strongroom import BackupKey
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom.cli.profile.profiles import Profile
from strongroom.cli.profile.slots import (
    FileSlots,
    KeyringSlots,
    Slot,
    Slots,
)
from strongroom.cli.profile.stored_keys import StoredKey, StoredKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


PROFILE = Profile("vault.example:7443", "A" * 44, "alice", also_at=("127.0.0.1:7443",))


def fresh() -> StoredKey:
    return StoredKey(BackupKey.generate(), os.urandom(16))


@pytest.fixture(params=["file", "keyring"])
def slots(request: pytest.FixtureRequest, tmp_path: Path, use: Callable[[str], None]) -> Slots:
    use("Good")
    return FileSlots(tmp_path / "home") if request.param == "file" else KeyringSlots(PROFILE)


class PowerCut(Exception):
    """Nothing after this happens."""


class Cut:
    """Slots that stop working after some changes."""

    def __init__(self, slots: Slots, changes: int) -> None:
        self.name = slots.name
        self._slots = slots
        self._left = changes

    def where(self, slot: Slot) -> str:
        return self._slots.where(slot)

    def read(self, slot: Slot) -> str | None:
        return self._slots.read(slot)

    def write(self, slot: Slot, text: str) -> None:
        self._spend()
        self._slots.write(slot, text)

    def remove(self, slot: Slot) -> None:
        self._spend()
        self._slots.remove(slot)

    def prove(self) -> None:
        self._slots.prove()

    def _spend(self) -> None:
        if self._left == 0:
            raise PowerCut
        self._left -= 1


def test_a_key_goes_from_pending_to_current_to_old(slots: Slots) -> None:
    keys = StoredKeys(slots)
    assert (keys.current(), keys.pending(), keys.old()) == (None, None, [])
    first, second, third = fresh(), fresh(), fresh()
    for kept, old in ((first, []), (second, [first]), (third, [first, second])):
        keys.save_pending(kept)
        assert keys.pending() == kept
        keys.save_current(kept)
        assert (keys.current(), keys.pending(), keys.old()) == (kept, None, old)
    assert keys.all_keys() == [third, second, first]


def test_the_same_key_under_another_id_is_no_other_key(slots: Slots) -> None:
    keys = StoredKeys(slots)
    first = fresh()
    keys.save_current(StoredKey(first.key, None))
    keys.save_pending(first)
    keys.save_current(first)
    assert (keys.current(), keys.old()) == (first, [])


def test_a_pending_key_that_is_displaced_is_not_lost(slots: Slots) -> None:
    keys = StoredKeys(slots)
    first, second, third = fresh(), fresh(), fresh()
    keys.save_pending(first)
    keys.save_pending(second)
    keys.save_current(third)
    assert (keys.current(), keys.pending(), keys.old()) == (third, None, [first, second])


@pytest.mark.parametrize("changes", range(8))
def test_a_power_cut_between_any_two_changes_loses_no_key(slots: Slots, changes: int) -> None:
    keys = StoredKeys(slots)
    had = [fresh() for _ in range(3)]
    keys.save_current(had[0])
    keys.save_current(had[1])
    keys.save_pending(had[2])
    new = fresh()
    cut = StoredKeys(Cut(slots, changes))
    try:
        cut.save_pending(new)
        had.append(new)
        cut.save_current(new)
    except PowerCut:
        assert changes < 7
    kept = [other.key for other in keys.all_keys()]
    assert all(other.key in kept for other in had)
    keys.save_pending(new)  # and it goes on from there
    keys.save_current(new)
    assert keys.current() == new
    assert all(other.key in [found.key for found in keys.all_keys()] for other in had)


@pytest.mark.parametrize("changes", range(6))
def test_moving_to_another_store_loses_no_key(
    tmp_path: Path, use: Callable[[str], None], changes: int
) -> None:
    use("Good")
    here, there = FileSlots(tmp_path / "home"), KeyringSlots(PROFILE)
    stale, had = fresh(), [fresh() for _ in range(3)]
    StoredKeys(there).save_current(stale)
    keys = StoredKeys(here)
    keys.save_current(had[0])
    keys.save_current(had[1])
    keys.save_pending(had[2])
    try:
        StoredKeys(Cut(there, changes), earlier=here).migrate()
    except PowerCut:
        assert changes < 4
        StoredKeys(there, earlier=here).migrate()
    moved = StoredKeys(there)
    assert (moved.current(), moved.pending()) == (had[1], had[2])
    assert all(kept in moved.all_keys() for kept in (*had, stale))


def test_a_keyring_that_holds_something_else(use: Callable[[str], None]) -> None:
    use("Good")
    KeyringSlots(PROFILE).write("current", "my other password")
    with pytest.raises(HomeUnusable, match="There is no backup key in the keyring's entry"):
        StoredKeys(KeyringSlots(PROFILE)).current()
