"""Keys on a device: what is saved is read back, and no step loses one, wherever it is cut off."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keyring
import odd_keyrings
import pytest

from strongroom import BackupKey
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom.cli.profile.kept_keys import KeptKey, KeptKeys
from strongroom.cli.profile.profiles import Profile
from strongroom.cli.profile.slots import (
    FileSlots,
    KeyNotKept,
    KeyringSlots,
    KeyringUnusable,
    Slot,
    Slots,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


PROFILE = Profile("vault.example:7443", "A" * 44, "alice", also_at=("127.0.0.1:7443",))


def fresh() -> KeptKey:
    return KeptKey(BackupKey.generate(), os.urandom(16))


@pytest.fixture
def use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Choose the system keyring."""
    before = keyring.get_keyring()
    monkeypatch.setenv("ODD_KEYRING", str(tmp_path / "keyring"))
    yield lambda name: keyring.set_keyring(getattr(odd_keyrings, name)())
    keyring.set_keyring(before)


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
    keys = KeptKeys(slots)
    assert (keys.current(), keys.pending(), keys.old()) == (None, None, [])
    first, second, third = fresh(), fresh(), fresh()
    for kept, old in ((first, []), (second, [first]), (third, [first, second])):
        keys.expect(kept)
        assert keys.pending() == kept
        keys.keep(kept)
        assert (keys.current(), keys.pending(), keys.old()) == (kept, None, old)
    assert keys.every() == [third, second, first]


def test_the_same_key_under_another_id_is_no_other_key(slots: Slots) -> None:
    keys = KeptKeys(slots)
    first = fresh()
    keys.keep(KeptKey(first.key, None))
    keys.expect(first)
    keys.keep(first)
    assert (keys.current(), keys.old()) == (first, [])


def test_a_pending_key_that_is_displaced_is_not_lost(slots: Slots) -> None:
    keys = KeptKeys(slots)
    first, second, third = fresh(), fresh(), fresh()
    keys.expect(first)
    keys.expect(second)
    keys.keep(third)
    assert (keys.current(), keys.pending(), keys.old()) == (third, None, [first, second])


@pytest.mark.parametrize("changes", range(8))
def test_a_power_cut_between_any_two_changes_loses_no_key(slots: Slots, changes: int) -> None:
    keys = KeptKeys(slots)
    had = [fresh() for _ in range(3)]
    keys.keep(had[0])
    keys.keep(had[1])
    keys.expect(had[2])
    new = fresh()
    cut = KeptKeys(Cut(slots, changes))
    try:
        cut.expect(new)
        had.append(new)
        cut.keep(new)
    except PowerCut:
        assert changes < 7
    kept = [other.key for other in keys.every()]
    assert all(other.key in kept for other in had)
    keys.expect(new)  # and it goes on from there
    keys.keep(new)
    assert keys.current() == new
    assert all(other.key in [found.key for found in keys.every()] for other in had)


@pytest.mark.parametrize("changes", range(6))
def test_moving_to_another_store_loses_no_key(
    tmp_path: Path, use: Callable[[str], None], changes: int
) -> None:
    use("Good")
    here, there = FileSlots(tmp_path / "home"), KeyringSlots(PROFILE)
    stale, had = fresh(), [fresh() for _ in range(3)]
    KeptKeys(there).keep(stale)
    keys = KeptKeys(here)
    keys.keep(had[0])
    keys.keep(had[1])
    keys.expect(had[2])
    try:
        KeptKeys(Cut(there, changes), earlier=here).move()
    except PowerCut:
        assert changes < 4
        KeptKeys(there, earlier=here).move()
    moved = KeptKeys(there)
    assert (moved.current(), moved.pending()) == (had[1], had[2])
    assert all(kept in moved.every() for kept in (*had, stale))


def test_a_key_filed_under_the_address_is_found(use: Callable[[str], None]) -> None:
    use("Good")
    key = BackupKey.generate()
    keyring.set_password("strongroom", "alice at 127.0.0.1:7443", key.digits)
    assert KeptKeys(KeyringSlots(PROFILE)).current() == KeptKey(key, None)
    new = fresh()
    KeptKeys(KeyringSlots(PROFILE)).keep(new)
    assert KeptKeys(KeyringSlots(PROFILE)).every() == [new, KeptKey(key, None)]
    assert keyring.get_password("strongroom", "alice at 127.0.0.1:7443") == key.digits


@pytest.mark.parametrize("name", ["Forgetful", "Altering"])
def test_a_keyring_that_does_not_keep(use: Callable[[str], None], name: str) -> None:
    use(name)
    with pytest.raises(KeyNotKept):
        KeyringSlots(PROFILE).prove()
    with pytest.raises(KeyNotKept):
        KeptKeys(KeyringSlots(PROFILE)).expect(fresh())


@pytest.mark.parametrize("name", ["Locked", "Crashing"])
def test_a_keyring_that_raises(use: Callable[[str], None], tmp_path: Path, name: str) -> None:
    use(name)
    keys = KeptKeys(KeyringSlots(PROFILE))
    for use_it in (keys.slots.prove, keys.current, lambda: keys.keep(fresh())):
        with pytest.raises(KeyringUnusable):
            use_it()
    kept = fresh()
    elsewhere = KeptKeys(FileSlots(tmp_path / "home"), earlier=KeyringSlots(PROFILE))
    elsewhere.move()
    elsewhere.keep(kept)
    assert elsewhere.current() == kept


def test_a_proven_keyring_is_as_it_was(use: Callable[[str], None], tmp_path: Path) -> None:
    use("Good")
    KeyringSlots(PROFILE).prove()
    assert (tmp_path / "keyring").read_text() == "{}"


def test_a_keyring_that_holds_something_else(use: Callable[[str], None]) -> None:
    use("Good")
    KeyringSlots(PROFILE).write("current", "my other password")
    with pytest.raises(HomeUnusable, match="There is no backup key in the keyring's entry"):
        KeptKeys(KeyringSlots(PROFILE)).current()


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    keys = KeptKeys(FileSlots(tmp_path / "home"))
    keys.keep(fresh())
    keys.keep(fresh())
    keys.expect(fresh())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
    assert modes == {"backup.key": 0o600, "old.keys": 0o600, "pending.key": 0o600}
