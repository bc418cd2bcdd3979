"""How the vault's key compares with this device's, and what a person is told about that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strongroom import BackupKey
from strongroom.cli.profile.profiles import DESTROYED, NONE, NOTHING_NEW
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.sync_state import (
    ADVICE,
    DESTROYED_ADVICE,
    IN_WORDS,
    SyncState,
    advice_of,
    status_note,
    sync_state_of,
    warning_of,
)
from strongroom.requests import ActiveKey, DestroyedKey

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = BackupKey(bytes(32))


def active(key_id: bytes) -> ActiveKey:
    return ActiveKey(key_id * 16, 10, 10, NOW, None, None)


def stored(key_id: bytes) -> StoredKey:
    return StoredKey(KEY, key_id * 16)


GONE = DestroyedKey(NOW, "attempt_limit")
UNNAMED = StoredKey(KEY, None)


@pytest.mark.parametrize(
    ("found", "current", "pending", "state"),
    [
        (None, None, None, SyncState.NEITHER),
        (None, stored(b"a"), None, SyncState.DEVICE_ONLY),
        (None, None, stored(b"a"), SyncState.NEITHER),
        (GONE, None, None, SyncState.NEITHER),
        (GONE, stored(b"a"), None, SyncState.DEVICE_ONLY),
        (active(b"a"), None, None, SyncState.VAULT_ONLY),
        (active(b"a"), None, stored(b"b"), SyncState.VAULT_ONLY),
        (active(b"a"), stored(b"a"), None, SyncState.IN_SYNC),
        (active(b"a"), stored(b"a"), stored(b"b"), SyncState.IN_SYNC),
        (active(b"a"), None, stored(b"a"), SyncState.UNFINISHED),
        (active(b"a"), stored(b"b"), stored(b"a"), SyncState.UNFINISHED),
        (active(b"a"), UNNAMED, stored(b"a"), SyncState.UNFINISHED),
        (active(b"a"), UNNAMED, None, SyncState.UNKNOWN),
        (active(b"a"), stored(b"b"), None, SyncState.CHANGED),
        (active(b"a"), stored(b"b"), stored(b"c"), SyncState.CHANGED),
    ],
)
def test_keys_are_compared_by_their_ids(
    found: ActiveKey | DestroyedKey | None,
    current: StoredKey | None,
    pending: StoredKey | None,
    state: SyncState,
) -> None:
    assert sync_state_of(found, current, pending) is state


def test_a_profile_notes_what_is_news_for_a_backup() -> None:
    assert status_note(None, SyncState.DEVICE_ONLY) == NONE
    assert status_note(GONE, SyncState.DEVICE_ONLY) == DESTROYED
    for state in SyncState:
        is_news = state in (SyncState.CHANGED, SyncState.UNFINISHED)
        assert status_note(active(b"a"), state) == ((b"a" * 16).hex() if is_news else NOTHING_NEW)


def test_a_backup_warns_of_what_was_noted() -> None:
    other = (b"a" * 16).hex()
    assert warning_of(NOTHING_NEW, None) == ""
    assert warning_of(NONE, None).startswith("The vault has no key for this account. ")
    assert warning_of(DESTROYED, None).startswith("The vault destroyed the key. ")
    assert warning_of(other, stored(b"a")) == ADVICE[SyncState.UNFINISHED]
    for pending in (None, stored(b"b"), UNNAMED):
        assert warning_of(other, pending) == ADVICE[SyncState.CHANGED]


def test_every_state_has_its_words() -> None:
    assert set(IN_WORDS) == set(SyncState)
    assert advice_of(SyncState.IN_SYNC, active(b"a")) == ""
    assert advice_of(SyncState.DEVICE_ONLY, GONE) == DESTROYED_ADVICE[SyncState.DEVICE_ONLY]
    assert advice_of(SyncState.DEVICE_ONLY, None) == ADVICE[SyncState.DEVICE_ONLY]
    assert "strongroom enable" in advice_of(SyncState.NEITHER, GONE)
    assert advice_of(SyncState.NEITHER, None) == ""
