"""What a home holds is believed only if nobody else can have put it there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from strongroom.cli.profile import device_folder
from strongroom.cli.profile.device_folder import HomeNotWritable, HomeUnusable
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
    from collections.abc import Callable
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


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def put(data: bytes) -> Callable[[Path], None]:
    return lambda path: write(path, data)


def replaced_by(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        path.unlink()
        make(path)

    return act


def mode(bits: int) -> Callable[[Path], None]:
    return lambda path: path.chmod(bits)


NEITHER_FILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "others write it": (mode(0o602), "Others can"),
    "the group writes it": (mode(0o620), "Others can"),
    "a link": (link, "it is a link"),
    "a folder": (replaced_by(lambda path: path.mkdir()), "should be a file"),
    "a pipe": (replaced_by(os.mkfifo), "should be a file"),
    "huge": (put(b"#" * 300_000), "too large"),
    "not UTF-8": (put(b"\xff\xfe" + GOOD.encode()), "not UTF-8"),
    "zero bytes": (put(bytes(512)), "zero bytes"),
}
PROFILE = NEITHER_FILE | {
    "empty": (put(b""), "it has no 'account'"),
    "not TOML": (put(b"vault = \n"), "cannot be read"),
    "a key store that is a number": (put(GOOD.encode() + b"key_store = 5\n"), "'key_store'"),
    "an identity of five": (
        put(b'vault = "v:1"\nidentity = 5\naccount = "a"\n'),
        "'identity' is not what it should be",
    ),
    "an identity that is no point": (
        put(GOOD.replace(IDENTITY, NO_POINT).encode()),
        "'identity' is not the identity of a vault",
    ),
    "an identity with a newline": (
        put(GOOD.replace(IDENTITY, IDENTITY + "\\n").encode()),
        "'identity' is not the identity of a vault",
    ),
    "an account that is a list": (put(GOOD.replace('"alice"', "[]").encode()), "'account'"),
    "an empty account": (put(GOOD.replace("alice", "").encode()), "'account' is empty"),
    "an address that is none": (put(GOOD.replace("7443", "x").encode()), "not the address"),
    "an address that is a table": (
        put(GOOD.replace('"vault.example:7443"', "{a = 1}").encode()),
        "'vault' is not",
    ),
    "other addresses that are numbers": (put(GOOD.encode() + b"also_at = [5]\n"), "'also_at'"),
    "other addresses that are a text": (
        put(GOOD.encode() + b'also_at = "vault.example"\n'),
        "'also_at'",
    ),
    "another key store": (put(GOOD.encode() + b'key_store = "cloud"\n'), "'cloud'"),
    "a number without an end": (put(b"a = " + b"9" * 5000), "cannot be read"),
    "brackets without an end": (put(b"a = " + b"[" * 50_000), "cannot be read"),
    "a later version's": (put(GOOD.encode() + b"colour = 1\n"), "'colour'"),
}
KEY = NEITHER_FILE | {
    "others read it": (mode(0o644), "Others can read"),
    "empty": (put(b""), "There is no backup key"),
    "cut off": (put(DIGITS[:40].encode()), "There is no backup key"),
    "not digits": (put(b"x" * 64), "There is no backup key"),
    "a damaged id": (put(DIGITS.encode() + b" key-id:0g"), "key id is damaged"),
    "half an id": (put(DIGITS.encode() + b" key-id:00ff"), "key id is damaged"),
}


def test_a_home_of_an_earlier_version_is_read(folder: Path) -> None:
    (place,) = load_places(folder)
    assert place == Place(folder, Profile("vault.example:7443", IDENTITY, "alice"), is_proven=True)
    kept = StoredKeys(FileSlots(folder)).current()
    assert kept is not None
    assert (kept.key.digits, kept.key_id) == (DIGITS.strip(), None)


@pytest.mark.parametrize("case", PROFILE)
def test_a_profile_that_cannot_be_believed(folder: Path, case: str) -> None:
    harm, why = PROFILE[case]
    harm(folder / "profile.toml")
    with pytest.raises(HomeUnusable) as refused:
        load_places(folder)
    assert why in str(refused.value)
    assert "profile.toml" in str(refused.value)


@pytest.mark.parametrize("case", KEY)
def test_a_key_that_cannot_be_used(folder: Path, case: str) -> None:
    harm, why = KEY[case]
    harm(folder / "backup.key")
    with pytest.raises(HomeUnusable) as refused:
        StoredKeys(FileSlots(folder)).current()
    assert why in str(refused.value)
    assert "backup.key" in str(refused.value)


@pytest.mark.parametrize("bits", [0o770, 0o707, 0o777, 0o1777])
def test_a_folder_in_which_others_can_write(folder: Path, bits: int) -> None:
    folder.chmod(bits)
    with pytest.raises(HomeUnusable, match="chmod go-w"):
        load_places(folder)
    folder.chmod(0o755)
    assert load_places(folder)


def test_what_belongs_to_another_user(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can give a file away without being root, so here the reader is another one."""
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if os.getuid() == 0:
        for path in (folder, *folder.iterdir()):
            os.chown(path, 54321, 54321)
    with pytest.raises(HomeUnusable, match="belongs to another user"):
        load_places(folder)
    with pytest.raises(HomeUnusable, match="belongs to another user"):
        StoredKeys(FileSlots(folder)).current()


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(HomeUnusable, match="should be a folder"):
        load_places(tmp_path / "home")
    with pytest.raises(HomeNotWritable):
        device_folder.prove_writable(tmp_path / "home")
    with pytest.raises(HomeUnusable):
        load_places(tmp_path / "home" / "below")


def test_a_missing_home_is_empty_and_can_be_made(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "home"
    assert load_places(folder) == ()
    device_folder.prove_writable(folder)
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o700


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
