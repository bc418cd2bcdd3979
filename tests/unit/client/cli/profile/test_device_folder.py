"""What a home holds is believed only if nobody else can have put it there."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import pytest

from strongroom.cli.profile import device_folder
from strongroom.cli.profile.device_folder import HomeNotWritable, HomeUnusable
from strongroom.cli.profile.profiles import load_places
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
        "'identity' has the wrong type",
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
        "'vault' has the wrong type",
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


def test_a_private_file_is_written_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "home" / "file"
    device_folder.write_private(path, "text\n")
    assert device_folder.read_private(path, is_secret=True) == "text\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_one_command_at_a_time_changes_a_home(folder: Path) -> None:
    with device_folder.locked(folder):
        descriptor = os.open(folder, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


def test_where_the_home_is(tmp_path: Path) -> None:
    assert device_folder.home_folder({"STRONGROOM_HOME": str(tmp_path)}) == tmp_path
    assert device_folder.home_folder({}).name == "strongroom"
