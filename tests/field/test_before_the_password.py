"""Whatever is wrong on this machine is said before a password is asked or an attempt used."""

from __future__ import annotations

import json
import resource
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage
import pytest
from person import ODD_PROGRAM, PASSWORD, PROGRAM, Device

from strongroom import BackupKey

if TYPE_CHECKING:
    from vault_process import VaultProcess

pytestmark = pytest.mark.parametrize("shared_vault", ["wrapped"], indirect=True)
WRONG = "not the password at all"


@pytest.fixture
def phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    device = Device(tmp_path / "phone", shared_vault, account)
    device.enable()
    return device


@pytest.fixture
def laptop(tmp_path: Path, phone: Device) -> Device:
    """A device without a key: only the password gets it."""
    return Device(tmp_path / "laptop", phone.vault, phone.account)


def odd_files(folder: Path) -> None:
    """Files that are no good backup, and one that is."""
    key = BackupKey.generate()
    (folder / "text").write_text("text")
    key.encrypt_file(folder / "text", folder / "good.age")
    good = (folder / "good.age").read_bytes()
    (folder / "text.age").write_text("only text\n")
    (folder / "good2.age").write_bytes(good)
    (folder / "good2").touch()
    (folder / "empty.age").touch()
    (folder / "cut.age").write_bytes(good[:60])
    (folder / "short.age").write_bytes(good[: good.index(b"\n--- ") + 60])
    (folder / "folder.age").mkdir()
    (folder / "loop.age").symlink_to("loop.age")
    (folder / "phrase.age").write_bytes(pyrage.passphrase.encrypt(b"text", "phrase"))
    (folder / "dangling").symlink_to("nowhere")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


RESTORE: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no such file": (("nosuch.age",), 1, "No such file"),
    "no age file": (("text.age",), 1, "not an encrypted backup"),
    "an empty file": (("empty.age",), 1, "not an encrypted backup"),
    "cut off in its header": (("cut.age",), 1, "damaged"),
    "cut off after its header": (("short.age",), 1, "damaged"),
    "a folder": (("folder.age",), 2, "is a directory"),
    "a link to itself": (("loop.age",), 1, "symbolic links"),
    "a passphrase's": (("phrase.age",), 1, "passphrase of its own"),
    "an output that exists": (("good.age", "-o", "text"), 1, "already exists"),
    "an output by default that exists": (("good2.age",), 1, "already exists"),
    "the same file": (("good.age", "-o", "good.age"), 1, "already exists"),
    "an output that is a folder": (("good.age", "-o", "folder.age"), 2, "is a directory"),
    "an output that is a dangling link": (("good.age", "-o", "dangling"), 1, "already"),
    "a folder that is missing": (("good.age", "-o", "missing/out"), 1, "No such file"),
    "a folder that is a file": (("good.age", "-o", "text/out"), 1, "Not a directory"),
    "a folder that cannot be written": (("good.age", "-o", "/proc/out"), 1, "/proc"),
    "a name that is too long": (("good.age", "-o", "x" * 300), 1, "too long"),
    "a descriptor that is closed": (("good.age", "-o", "x", "--password-fd", "77"), 1, "not open"),
    "digits from nowhere": (("good.age", "-o", "x", "--digits-fd", "77"), 1, "not open"),
    "a key store that is none": (("good.age", "-o", "x", "--key-store", "box"), 2, "box"),
    "no access token": (("good.age", "-o", "x", "--access-token-file", "none"), 1, "No such"),
    "a token that is none": (
        ("good.age", "-o", "x", "--access-token-file", "text"),
        1,
        "three parts",
    ),
    "a token that is no text": (
        ("good.age", "-o", "x", "--access-token-file", "good.age"),
        1,
        "no access",
    ),
    "certificates that are none": (("good.age", "-o", "x", "--ca-file", "text"), 1, "certificate"),
    "an identity that is none": (("good.age", "-o", "x", "--identity", "A" * 44), 1, "identity"),
    "an address that is none": (("good.age", "-o", "x", "--vault", "a b"), 1, "not the address"),
}


def test_restore_looks_before_it_asks(laptop: Device) -> None:
    odd_files(laptop.folder)
    before = names(laptop.folder)
    for case, (arguments, code, sentence) in RESTORE.items():
        fd = () if any(option.endswith("-fd") for option in arguments) else ("--password-fd", "0")
        done = laptop.run("restore", *arguments, *fd, typed=WRONG)
        assert (done.returncode, sentence in done.stderr) == (code, True), (case, done.stderr)
        assert "Attempts left" not in done.stderr, case
    assert names(laptop.folder) == before
    assert laptop.attempts_left() == 10


def test_no_room_on_the_disk(laptop: Device) -> None:
    huge = laptop.folder / "huge.age"
    odd_files(laptop.folder)
    good = (laptop.folder / "good.age").read_bytes()
    with huge.open("wb") as file:
        file.write(good)
        file.truncate(1 << 43)  # 8 TB of nothing
    done = laptop.run("restore", "huge.age", "--password-fd", "0", typed=WRONG)
    assert "has room for" in done.stderr
    assert laptop.attempts_left() == 10


ALL_WITH_PASSWORD = (
    ("restore", "good.age", "-o", "x"),
    ("show-key",),
    ("rehearse",),
    ("change-password",),
    ("enable", "--replace"),
)


def without_disk(device: Device, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where no file can have a byte."""
    return subprocess.run(
        [PROGRAM, *arguments],
        cwd=device.folder,
        env=device.environment(),
        input=WRONG,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, 0)),
    )


def test_a_home_that_cannot_be_written(phone: Device, laptop: Device) -> None:
    odd_files(laptop.folder)
    digits = phone.ok("show-key")
    for command in ALL_WITH_PASSWORD:
        done = without_disk(laptop, *command, "--password-fd", "0")
        assert done.returncode == 1, done.stderr
        assert "Nothing can be kept in" in done.stderr, done.stderr
        assert "STRONGROOM_HOME" in done.stderr
    for command in (("enable", "--replace"), ("rehearse",)):
        done = without_disk(phone, *command, "--password-fd", "0")
        assert "Nothing can be kept in" in done.stderr
    assert laptop.attempts_left() == 10
    assert phone.ok("show-key") == digits
    phone.ok("rehearse", "--password-fd", "0", typed=PASSWORD)


def test_a_status_in_a_full_home_still_shouts(phone: Device, laptop: Device) -> None:
    odd_files(phone.folder)
    laptop.enable("--replace", password="new " + PASSWORD)
    done = without_disk(phone, "status")
    assert done.returncode == 0
    assert "could not be noted on this device" in done.stderr
    assert "ANOTHER KEY" in done.stdout


@pytest.mark.parametrize(
    ("backend", "sentence"),
    [
        ("keyring.backends.null.Keyring", "does not keep what is saved"),
        ("keyring.backends.fail.Keyring", "does not work here"),
        ("odd_keyrings.Forgetful", "does not keep what is saved"),
        ("odd_keyrings.Altering", "does not keep what is saved"),
        ("odd_keyrings.Locked", "does not work here"),
        ("odd_keyrings.Crashing", "does not work here"),
    ],
)
def test_a_keyring_that_keeps_nothing(
    tmp_path: Path, shared_vault: VaultProcess, account: str, backend: str, sentence: str
) -> None:
    device = Device(tmp_path / "new", shared_vault, account)
    device.more = keyring_of(device, backend)
    done = device.run("enable", "--password-fd", "0", typed=PASSWORD)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "--key-store file" in done.stderr
    assert "Done" not in done.stderr
    device.more["STRONGROOM_KEY_STORE"] = "file"
    assert "key       none" in device.ok("status")
    device.more["STRONGROOM_KEY_STORE"] = "auto"
    told = device.said("enable", "--password-fd", "0", typed=PASSWORD)
    assert "Done" in told
    if backend.startswith("odd"):  # the others do not claim to keep anything
        assert "kept in a file" in told
    assert (device.home / "backup.key").exists()
    assert device.ok("show-key")


def test_a_good_keyring(tmp_path: Path, shared_vault: VaultProcess, account: str) -> None:
    device = Device(tmp_path / "new", shared_vault, account)
    device.more = keyring_of(device, "odd_keyrings.Good") | {"STRONGROOM_KEY_STORE": "auto"}
    device.enable()
    assert [path.name for path in device.home.iterdir()] == ["profile.toml"]
    entries = json.loads((device.folder / "keyring").read_text())
    (digits,) = (text.partition(" key-id")[0] for text in entries.values())
    assert device.ok("show-key").strip() == digits
    device.enable("--replace", password="new " + PASSWORD)
    assert device.ok("show-key", "--old").strip() == digits
    new = device.ok("show-key")

    device.more["STRONGROOM_KEY_STORE"] = "file"  # and from there into a file
    device.ok("change-password", "--new-password-fd", "0", typed=PASSWORD)
    (device.folder / "keyring").unlink()
    assert device.ok("show-key") == new
    assert device.ok("show-key", "--old").strip() == digits


def keyring_of(device: Device, backend: str) -> dict[str, str]:
    return {
        "PYTHON_KEYRING_BACKEND": backend,
        "PYTHONPATH": str(Path(ODD_PROGRAM).parent),
        "ODD_KEYRING": str(device.folder / "keyring"),
        "STRONGROOM_KEY_STORE": "keyring",
    }


def test_a_closed_output_shows_no_key(laptop: Device) -> None:
    done = subprocess.run(
        ["sh", "-c", f'"{PROGRAM}" show-key --password-fd 0 >&-'],
        cwd=laptop.folder,
        env=laptop.environment(),
        input=WRONG,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "standard output is closed" in done.stderr
    assert laptop.attempts_left() == 10


def test_backup_looks_first_too(phone: Device) -> None:
    odd_files(phone.folder)
    cases = [
        (("nosuch",), 1, "No such file"),
        (("folder.age",), 2, "is a directory"),
        (("text", "-o", "good.age"), 1, "already exists"),
        (("text", "-o", "text"), 1, "already exists"),
        (("text", "-o", "missing/out"), 1, "No such file"),
        (("text", "-o", "dangling"), 1, "already exists"),
        (("text", "-o", "/proc/out"), 1, "/proc"),
    ]
    before = names(phone.folder)
    for arguments, code, sentence in cases:
        done = phone.run("backup", *arguments)
        assert (done.returncode, sentence in done.stderr) == (code, True), done.stderr
    assert names(phone.folder) == before
    phone.ok("backup", "/dev/stdin", "-o", "piped.age", typed="text")  # a pipe is read once
    phone.ok("restore", "piped.age", "-o", "piped")
    assert (phone.folder / "piped").read_text() == "text"
