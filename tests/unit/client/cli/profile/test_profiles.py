"""Profiles: one account in one vault, each in a folder of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from strongroom.cli.profile.profiles import (
    Place,
    Profile,
    is_identity,
    load_places,
    place_of,
    save_place,
)
from strongroom.cli.profile.slots import FileSlots
from strongroom.cli.profile.stored_keys import StoredKeys

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
NO_POINT = "A" * 44
GOOD = f'vault = "vault.example:7443"\nidentity = "{IDENTITY}"\naccount = "alice"\n'
DIGITS = "0123 4567 89ab cdef " * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    made.mkdir(mode=0o700)
    write(made / "profile.toml", GOOD.encode())
    write(made / "backup.key", DIGITS.encode())
    return made


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.chmod(0o600)


def test_a_home_of_an_earlier_version_is_read(folder: Path) -> None:
    (place,) = load_places(folder)
    assert place == Place(folder, Profile("vault.example:7443", IDENTITY, "alice"), is_proven=True)
    kept = StoredKeys(FileSlots(folder)).current()
    assert kept is not None
    assert (kept.key.digits, kept.key_id) == (DIGITS.strip(), None)


def test_the_first_account_has_the_home_and_each_other_one_a_folder(tmp_path: Path) -> None:
    profiles = [
        Profile("a.example:1", IDENTITY, account, also_at=("b.example:2",))
        for account in ("alice", "bob", "../../carol\u202e")
    ]
    for profile in profiles:
        place = place_of(tmp_path, profile)
        assert not place.is_proven
        save_place(Place(place.folder, profile, is_proven=profile.account != "bob"))
    found = load_places(tmp_path)
    assert {place.profile.account for place in found} == {"alice", "bob", "../../carol\u202e"}
    assert [place.is_proven for place in found if place.profile.account == "bob"] == [False]
    assert found[0].folder == tmp_path
    assert {place.folder.parent for place in found[1:]} == {tmp_path / "accounts"}
    assert [place_of(tmp_path, place.profile) for place in found] == list(found)


@given(account=text(min_size=1, alphabet=characters(codec="utf-8")))
def test_any_account_of_an_access_token_can_be_kept(
    tmp_path_factory: pytest.TempPathFactory, account: str
) -> None:
    folder = tmp_path_factory.mktemp("home")
    profile = Profile("a.example:1", IDENTITY, account)
    save_place(Place(folder, profile, is_proven=True))
    assert load_places(folder) == (Place(folder, profile, is_proven=True),)


def test_a_home_with_a_key_and_no_profile_is_nobodys(tmp_path: Path) -> None:
    write(tmp_path / "backup.key", DIGITS.encode())
    place = place_of(tmp_path, Profile("a.example:1", IDENTITY, "alice"))
    assert place.folder.parent == tmp_path / "accounts"


def test_a_proven_profile_takes_the_place_of_an_unproven_one(tmp_path: Path) -> None:
    place = place_of(tmp_path, Profile("a.example:1", IDENTITY, "alice"))
    save_place(place)
    assert [path.name for path in tmp_path.iterdir()] == ["unproven.toml"]
    save_place(Place(place.folder, place.profile, is_proven=True))
    assert [path.name for path in tmp_path.iterdir()] == ["profile.toml"]


def test_identities() -> None:
    assert is_identity(IDENTITY)
    for written in ("", NO_POINT, IDENTITY[:-1], IDENTITY + "=", "B" + IDENTITY[1:], "\u00e9" * 44):
        assert not is_identity(written), written


def test_an_address_is_the_same_in_any_notation() -> None:
    profile = Profile("vault.example:7443", IDENTITY, "alice").at("Other.example:7443")
    assert profile.also_at == ("other.example:7443",)
    assert profile.is_at("VAULT.example:7443")
    assert profile.at("other.example:7443") is profile
    assert not profile.is_at("vault.example:7444")
