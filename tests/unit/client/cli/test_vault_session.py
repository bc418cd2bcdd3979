"""A session: what the vault and this device have, and in which order keys are stored here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from lying_vault import KEY, KEY_ID

from strongroom import BackupKey
from strongroom.cli.profile import profiles
from strongroom.cli.profile.device_folder import HomeNotWritable
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.sync_state import SyncState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from served_vault import ServedVault

    from strongroom.cli.device import Device

pytestmark = pytest.mark.usefixtures("protected")
KEPT = StoredKey(BackupKey(KEY), KEY_ID)


def other() -> StoredKey:
    return StoredKey(BackupKey.generate(), os.urandom(16))


def test_a_session_leaves_nothing_on_a_device_that_stores_nothing(
    at_served: Callable[..., Device], served: ServedVault, tmp_path: Path
) -> None:
    with at_served().open() as session:
        assert session.state is SyncState.VAULT_ONLY
        assert session.address == served.address
        session.refresh()
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_key_and_the_way_to_its_vault_are_kept(
    at_served: Callable[..., Device], served: ServedVault
) -> None:
    with at_served().open() as session:
        session.require_storage()
        session.save_current(KEPT, is_proven=True)
        assert session.state is SyncState.IN_SYNC
    (place,) = at_served().places
    assert place.is_proven
    assert place.profile.vault_id == "vault.test"
    assert place.profile.ca_file == str(served.certificate)
    assert place.profile.access_token_file.endswith("token-of-alice")
    with at_served(vault=None, ca_file=None, access_token_file=None).open() as session:
        assert (session.state, session.current) == (SyncState.IN_SYNC, KEPT)


def test_a_pending_key_becomes_the_current_one_and_the_other_an_old_one(
    at_served: Callable[..., Device],
) -> None:
    before = other()
    with at_served().open() as session:
        session.require_storage()
        with pytest.raises(RuntimeError):
            session.promote_pending(is_proven=True)
        session.save_current(before, is_proven=False)
        session.save_pending(KEPT)
    with at_served().open() as session:
        assert session.state.name == "UNFINISHED"
        assert not session.place.is_proven
        session.promote_pending(is_proven=True)
        assert session.refresh() == session.status
        assert session.state.name == "IN_SYNC"
        assert session.keys.old() == [before]
        assert session.keys.pending() is None


def test_what_the_vault_has_is_noted_if_a_key_is_stored_here(
    at_served: Callable[..., Device],
) -> None:
    with at_served().open() as session:
        session.require_storage()
        session.save_current(other(), is_proven=True)
    with at_served().open() as session:
        assert session.state is SyncState.CHANGED
    assert at_served().places[0].profile.vault_has == KEY_ID.hex()


def test_a_home_that_cannot_be_written_is_found_before_a_password_is_asked(
    at_served: Callable[..., Device], tmp_path: Path
) -> None:
    with at_served().open() as session:
        (tmp_path / "home").write_text("a file where the folder should be")
        with pytest.raises(HomeNotWritable, match="Nothing can be kept in"):
            session.require_storage()


def test_a_place_that_somebody_else_took_meanwhile_is_left_to_them(
    at_served: Callable[..., Device], token_of: Callable[[str], str], tmp_path: Path
) -> None:
    with at_served().open() as alices:
        alices.require_storage()
        with at_served(access_token_file=token_of("bob")).open() as bobs:
            bobs.require_storage()
            bobs.save_current(other(), is_proven=True)
        alices.save_current(KEPT, is_proven=True)
    places = at_served().places
    assert {place.profile.account for place in places} == {"alice", "bob"}
    home = tmp_path / "home"
    assert {place.folder == home for place in places} == {True, False}
    assert (home / profiles.PROFILE_FILE).exists()
