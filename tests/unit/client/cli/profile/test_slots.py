"""Where keys are stored: files for their owner alone, and keyrings, good and bad ones."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import keyring
import odd_keyrings
import pytest

from strongroom import BackupKey
from strongroom.cli.profile.profiles import Place, Profile
from strongroom.cli.profile.slots import (
    FileSlots,
    KeyNotKept,
    KeyringSlots,
    KeyringUnusable,
    Slot,
    has_keyring,
    slots_of,
)
from strongroom.cli.profile.stored_keys import StoredKey, StoredKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


PROFILE = Profile("vault.example:7443", "A" * 44, "alice", also_at=("127.0.0.1:7443",))


def fresh() -> StoredKey:
    return StoredKey(BackupKey.generate(), os.urandom(16))


def test_a_key_filed_under_the_address_is_found(use: Callable[[str], None]) -> None:
    use("Good")
    key = BackupKey.generate()
    keyring.set_password("strongroom", "alice at 127.0.0.1:7443", key.digits)
    assert StoredKeys(KeyringSlots(PROFILE)).current() == StoredKey(key, None)
    new = fresh()
    StoredKeys(KeyringSlots(PROFILE)).save_current(new)
    assert StoredKeys(KeyringSlots(PROFILE)).all_keys() == [new, StoredKey(key, None)]
    assert keyring.get_password("strongroom", "alice at 127.0.0.1:7443") == key.digits


@pytest.mark.parametrize("name", ["Forgetful", "Altering"])
def test_a_keyring_that_does_not_keep(use: Callable[[str], None], name: str) -> None:
    use(name)
    with pytest.raises(KeyNotKept):
        KeyringSlots(PROFILE).prove()
    with pytest.raises(KeyNotKept):
        StoredKeys(KeyringSlots(PROFILE)).save_pending(fresh())


@pytest.mark.parametrize("name", ["Locked", "Crashing"])
def test_a_keyring_that_raises(use: Callable[[str], None], tmp_path: Path, name: str) -> None:
    use(name)
    keys = StoredKeys(KeyringSlots(PROFILE))
    for use_it in (keys.slots.prove, keys.current, lambda: keys.save_current(fresh())):
        with pytest.raises(KeyringUnusable):
            use_it()
    kept = fresh()
    elsewhere = StoredKeys(FileSlots(tmp_path / "home"), earlier=KeyringSlots(PROFILE))
    elsewhere.migrate()
    elsewhere.save_current(kept)
    assert elsewhere.current() == kept


def test_a_proven_keyring_is_as_it_was(use: Callable[[str], None], tmp_path: Path) -> None:
    use("Good")
    KeyringSlots(PROFILE).prove()
    assert (tmp_path / "keyring").read_text() == "{}"


def test_key_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    keys = StoredKeys(FileSlots(tmp_path / "home"))
    keys.save_current(fresh())
    keys.save_current(fresh())
    keys.save_pending(fresh())
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
    assert modes == {"backup.key": 0o600, "old.keys": 0o600, "pending.key": 0o600}


@pytest.mark.parametrize("name", ["file", "keyring"])
def test_slots_are_apart(tmp_path: Path, use: Callable[[str], None], name: str) -> None:
    use("Good")
    slots = slots_of(name, Place(tmp_path / "home", PROFILE, is_proven=True))
    assert slots.name == name
    every: tuple[Slot, ...] = ("current", "pending", "old")
    assert [slots.read(slot) for slot in every] == [None, None, None]
    for slot in every:
        slots.write(slot, f"text of {slot}\n")
    slots.remove("pending")
    assert [slots.read(slot) for slot in every] == ["text of current\n", None, "text of old\n"]
    assert len({slots.where(slot) for slot in every}) == 3


def test_a_keyring_is_used_only_if_it_keeps_secrets(
    use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    use("Good")
    assert has_keyring()
    monkeypatch.setattr(odd_keyrings.Good, "priority", 0)
    assert not has_keyring()

    def fail(_self: object) -> int:
        raise ValueError("no bus")

    monkeypatch.setattr(odd_keyrings.Good, "priority", property(fail))
    assert not has_keyring()
