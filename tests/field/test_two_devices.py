"""Two devices, two people, two vaults: no key is lost, and none is taken for another."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pexpect
import pytest
from person import PASSWORD, PROGRAM, Device
from vault_process import make_softhsm, make_vault

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

pytestmark = pytest.mark.parametrize("shared_vault", ["wrapped"], indirect=True)
NEW = "new " + PASSWORD


@pytest.fixture
def phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    device = Device(tmp_path / "phone", shared_vault, account)
    device.enable()
    (device.folder / "chats.db").write_bytes(os.urandom(100_000))
    return device


@pytest.fixture
def laptop(tmp_path: Path, phone: Device) -> Device:
    """The same person's other device; it has no key yet."""
    return Device(tmp_path / "laptop", phone.vault, phone.account)


def refused(device: Device, *arguments: str, typed: str = "") -> str:
    done = device.run(*arguments, typed=typed)
    assert done.returncode == 1, done.stderr
    return done.stderr


def restored(device: Device, backup: str) -> bytes:
    """Restore without a vault; return what came."""
    vault, device.more["STRONGROOM_VAULT"] = device.vault.address, "localhost:1"
    device.ok("restore", backup, "-o", "restored")
    device.more["STRONGROOM_VAULT"] = vault
    found = (device.folder / "restored").read_bytes()
    (device.folder / "restored").unlink()
    return found


def test_a_key_that_was_replaced_elsewhere_does_not_come_back(
    phone: Device, laptop: Device
) -> None:
    phone.ok("backup", "chats.db", "-o", "before.age")
    old_digits = phone.ok("show-key")
    laptop.enable("--replace", password=NEW)
    new_digits = laptop.ok("show-key")
    assert new_digits != old_digits

    # Nothing of the phone goes over the new key.
    for command in ("change-password", "enable"):
        option = "--new-password-fd" if command == "change-password" else "--password-fd"
        told = refused(phone, command, option, "0", typed="another " + PASSWORD)
        assert "another key than this device" in told
        assert "rehearse --adopt" in told
        assert "enable --replace" in told
    laptop.ok("rehearse", "--password-fd", "0", typed=NEW)

    # The phone says so, wherever it can.
    status = phone.run("status")
    assert "ANOTHER KEY" in status.stdout
    assert "this device has the key" not in status.stdout
    assert "rehearse --adopt" in status.stderr
    assert "WARNING: The key in the vault was protected" in phone.said("backup", "chats.db")
    told = refused(phone, "rehearse", "--password-fd", "0", typed=NEW)
    assert "the vault has another backup key than this device" in told
    assert "rehearse --adopt" in told
    assert phone.ok("show-key") == old_digits

    # And it takes the new key when it is told to, and still opens old backups.
    phone.ok("rehearse", "--adopt", "--password-fd", "0", typed=NEW)
    assert phone.ok("show-key") == new_digits
    assert phone.ok("show-key", "--old") == old_digits
    assert "this device has the key" in phone.ok("status")
    assert "WARNING" not in phone.said("backup", "chats.db", "-o", "after.age")
    for backup in ("before.age", "after.age"):
        assert restored(phone, backup) == (phone.folder / "chats.db").read_bytes()


def test_a_backup_warns_although_nothing_else_was_done_since(phone: Device, laptop: Device) -> None:
    laptop.enable("--replace", password=NEW)
    assert "WARNING" in phone.said("backup", "chats.db")
    phone.more["STRONGROOM_VAULT"] = phone.vault.address
    phone.token.write_text("signed out")
    assert "WARNING" in phone.said("backup", "chats.db", "-o", "offline.age")  # it remembers


def test_the_same_key_with_a_new_password_is_told_from_another_key(
    phone: Device, laptop: Device
) -> None:
    digits = laptop.ok("show-key", "--password-fd", "0", typed=PASSWORD)
    assert digits == phone.ok("show-key")
    laptop.ok("change-password", "--new-password-fd", "0", typed=NEW)
    status = phone.run("status")
    assert "with another password, or another key" in status.stderr
    assert phone.run("rehearse", "--password-fd", "0", typed=PASSWORD).returncode == 3
    phone.ok("rehearse", "--password-fd", "0", typed=NEW)
    assert "this device has the key" in phone.ok("status")
    assert phone.ok("show-key", "--old") == ""
    phone.ok("change-password", "--new-password-fd", "0", typed=PASSWORD)


def test_a_backup_of_the_other_device_is_restored_with_its_password(
    phone: Device, laptop: Device
) -> None:
    laptop.enable("--replace", password=NEW)
    (laptop.folder / "notes").write_bytes(b"notes")
    laptop.ok("backup", "notes")
    (laptop.folder / "notes.age").rename(phone.folder / "notes.age")
    told = phone.said("restore", "notes.age", "--password-fd", "0", typed=NEW)
    assert "its own stays among the old ones" in told
    assert (phone.folder / "notes").read_bytes() == b"notes"
    assert phone.ok("show-key") == laptop.ok("show-key")


def test_a_key_can_be_replaced_where_it_is(phone: Device) -> None:
    phone.ok("backup", "chats.db")
    leaked = phone.ok("show-key")
    told = phone.said("enable", "--replace", "--password-fd", "0", typed=NEW)
    assert "Backups made until now open only with the old key" in told
    assert phone.ok("show-key") != leaked
    assert phone.ok("show-key", "--old") == leaked
    assert restored(phone, "chats.db.age") == (phone.folder / "chats.db").read_bytes()


def test_after_disable_comes_a_fresh_key(phone: Device) -> None:
    leaked = phone.ok("show-key")
    phone.ok("disable", "--yes")
    assert "THE VAULT DOES NOT HAVE" in phone.ok("status")
    assert "the vault has no key" in phone.said("backup", "chats.db").lower()
    told = phone.said("enable", "--password-fd", "0", typed=NEW)
    assert "fresh key" in told
    assert "old key" in told
    assert phone.ok("show-key") != leaked
    assert phone.ok("show-key", "--old") == leaked


def test_a_key_that_came_while_the_person_thought_is_not_deleted(
    phone: Device, laptop: Device
) -> None:
    terminal = phone.terminal("disable")
    terminal.expect("Delete the key from the vault for good\\?")
    laptop.enable("--replace")
    terminal.sendline("y")
    terminal.expect(r"was\s+changed\s+elsewhere\s+meanwhile.\s+Nothing\s+was\s+deleted.")
    terminal.expect(pexpect.EOF)
    assert terminal.wait() == 1
    assert "this device has the key" in laptop.ok("status")


def test_enable_again_is_a_new_password_for_the_same_key(phone: Device) -> None:
    digits = phone.ok("show-key")
    told = phone.said("enable", "--password-fd", "0", typed=NEW)
    assert "It stays the same" in told
    assert phone.ok("show-key") == digits
    phone.ok("rehearse", "--password-fd", "0", typed=NEW)


def test_after_destruction_the_same_key_is_protected_again(phone: Device) -> None:
    digits = phone.ok("show-key")
    codes = {
        phone.run("rehearse", "--password-fd", "0", typed="wrong").returncode for _ in "x" * 10
    }
    assert codes == {3, 4}
    assert "destroyed" in phone.said("backup", "chats.db")
    phone.enable(password=NEW)
    assert phone.ok("show-key") == digits
    assert "WARNING" not in phone.said("backup", "chats.db", "-o", "again.age")


def test_a_device_of_an_earlier_version_learns_its_key_id(phone: Device) -> None:
    digits = phone.ok("show-key")
    profile = phone.home / "profile.toml"
    earlier = ("vault", "identity", "account", "ca_file", "access_token_file", "key_store")
    lines = profile.read_text().splitlines(keepends=True)
    profile.write_text("".join(line for line in lines if line.split(" = ")[0] in earlier))
    (phone.home / "backup.key").write_text(digits)
    assert "rehearse` tells" in phone.ok("status")
    told = refused(phone, "enable", "--password-fd", "0", typed=NEW)
    assert "cannot tell whether it is the same as its own" in told
    assert "WARNING" not in phone.said("backup", "chats.db")
    phone.ok("rehearse", "--password-fd", "0", typed=PASSWORD)
    assert "this device has the key" in phone.ok("status")
    phone.ok("change-password", "--new-password-fd", "0", typed=NEW)
    assert phone.ok("show-key") == digits


def test_a_device_of_an_earlier_version_changes_its_password_with_the_old_one(
    phone: Device,
) -> None:
    digits = phone.ok("show-key")
    (phone.home / "backup.key").write_text(digits)
    wrong = phone.run("change-password", "--password-fd", "0", typed="wrong")
    assert wrong.returncode == 3
    phone.ok(
        "change-password", "--password-fd", "0", "--new-password-fd", "0",
        typed=f"{PASSWORD}\n{NEW}\n",
    )  # fmt: skip
    assert phone.ok("show-key") == digits
    phone.ok("rehearse", "--password-fd", "0", typed=NEW)


class TestOneHomeOfTwoPeople:
    @pytest.fixture
    def bob(self, phone: Device) -> Device:
        """Somebody else at the same computer: the same home, another access token."""
        device = Device(phone.folder / "bob", phone.vault, phone.account[-110:] + " bob")
        device.more["STRONGROOM_HOME"] = str(phone.home)
        return device

    def test_each_has_a_key(self, phone: Device, bob: Device) -> None:
        before = {path: path.read_bytes() for path in phone.home.iterdir()}
        alices = phone.ok("show-key")
        bob.enable(password=NEW)
        bobs = bob.ok("show-key")
        assert bobs != alices
        assert {path: path.read_bytes() for path in before} == before
        assert phone.ok("show-key") == alices
        for device, password in ((phone, PASSWORD), (bob, NEW)):
            device.ok("rehearse", "--password-fd", "0", typed=password)
            assert "this device has the key" in device.ok("status")
        phone.ok("change-password", "--new-password-fd", "0", typed="other " + PASSWORD)
        phone.enable("--replace", password="third " + PASSWORD)
        assert bob.ok("show-key") == bobs
        bob.ok("rehearse", "--password-fd", "0", typed=NEW)

    def test_who_is_meant(self, phone: Device, bob: Device) -> None:
        alices = phone.ok("show-key")
        bob.more["STRONGROOM_ACCESS_TOKEN_FILE"] = ""
        assert bob.ok("show-key") == alices  # the only one
        bob.more["STRONGROOM_ACCESS_TOKEN_FILE"] = str(bob.token)
        assert "keeps no backup key" in refused(bob, "backup", "../chats.db")  # not alice's
        bob.enable(password=NEW)
        bobs = bob.ok("show-key")
        bob.more["STRONGROOM_ACCESS_TOKEN_FILE"] = ""
        told = refused(bob, "show-key")
        assert phone.account in told
        assert bob.account in told
        assert "--account" in told
        assert refused(bob, "backup", "../chats.db")
        assert bob.ok("show-key", "--account", bob.account) == bobs
        assert bob.ok("show-key", "--account", phone.account) == alices
        told = refused(phone, "status", "--account", bob.account)
        assert "not for" in told


def test_somebody_else_signs_in_under_the_same_file(phone: Device) -> None:
    digits = phone.ok("show-key")
    phone.more["STRONGROOM_ACCESS_TOKEN_FILE"] = ""
    phone.token.write_text(phone.vault.folder.access_token("somebody else"))
    for command in (("backup", "chats.db"), ("show-key",)):
        told = refused(phone, *command)
        assert "somebody else" in told
        assert "--account" in told
    assert phone.ok("show-key", "--account", phone.account) == digits
    phone.token.write_text("signed out")
    phone.ok("backup", "chats.db")


def test_two_vaults_in_one_home(phone: Device, tmp_path: Path) -> None:
    softhsm = make_softhsm(tmp_path / "token")
    before = {path: path.read_bytes() for path in phone.home.iterdir()}
    digits = phone.ok("show-key")
    with make_vault(tmp_path / "other", softhsm).start() as other:
        device = Device(tmp_path / "there", other, phone.account)
        device.enable(password=NEW)
        theirs = device.ok("show-key")
        at_home = Device(tmp_path / "here", other, phone.account)
        at_home.more["STRONGROOM_HOME"] = str(phone.home)

        shown = at_home.run("show-key", "--password-fd", "0", typed=NEW)
        assert shown.stdout == theirs
        assert "First contact" in shown.stderr
        assert "not one of the vaults that this device knows" in shown.stderr
        assert "calls itself vault.test" in shown.stderr
        assert {path: path.read_bytes() for path in before} == before
        assert at_home.ok("show-key") == theirs
        assert phone.ok("show-key") == digits
        told = refused(phone, "show-key", "--vault", "")
        assert other.address in told
        assert phone.vault.address in told
        for device, vault in ((phone, phone.vault), (at_home, other)):
            assert "this device has the key" in device.ok("status", "--vault", vault.address)


class TestOneVaultUnderSeveralNames:
    def test_the_key_and_the_pin_are_the_same(self, phone: Device) -> None:
        digits = phone.ok("show-key")
        port = phone.vault.port
        for address in (f"LOCALHOST:{port}", f"localhost.:{port}", f"127.0.0.1:{port}"):
            phone.more["STRONGROOM_VAULT"] = address
            assert phone.ok("show-key") == digits
            status = phone.run("status")
            assert "First contact" not in status.stderr
            assert "this device has the key" in status.stdout
        assert [path.name for path in phone.home.iterdir() if path.is_dir()] == []

    def test_the_pin_holds(self, phone: Device) -> None:
        other = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
        profile = phone.home / "profile.toml"
        lines = profile.read_text().splitlines()
        profile.write_text(
            "\n".join(
                f'identity = "{other}"' if line.startswith("ident") else line for line in lines
            )
        )
        port = phone.vault.port
        for address in (f"localhost:{port}", f"LOCALHOST:{port}", f"127.0.0.1:{port}"):
            for command in (("status",), ("enable", "--replace", "--password-fd", "0")):
                told = refused(phone, *command, "--vault", address, typed=PASSWORD)
                assert "This is not the vault" in told

    def test_an_unknown_address_where_nobody_answers(self, phone: Device) -> None:
        done = phone.run("backup", "chats.db", "--vault", "127.0.0.1:1")
        assert done.returncode == 5
        assert phone.vault.address in done.stderr


def test_two_commands_at_once_on_one_home(phone: Device, tmp_path: Path) -> None:
    """Two people enable for the first time in the same moment: each has a key of their own."""
    devices = []
    for name in ("carol", "dave"):
        device = Device(tmp_path / name, phone.vault, f"{phone.account[-100:]} {name}")
        device.more["STRONGROOM_HOME"] = str(tmp_path / "shared home")
        devices.append(device)
    processes = [
        subprocess.Popen(
            [PROGRAM, "enable", "--password-fd", "0"],
            env=device.environment(),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for device in devices
    ]
    for process in processes:
        _, told = process.communicate(PASSWORD.encode(), timeout=60)
        assert process.returncode == 0, told
    keys = {device.ok("show-key") for device in devices}
    assert len(keys) == 2
    for device in devices:
        assert "this device has the key" in device.ok("status")
        device.ok("rehearse", "--password-fd", "0", typed=PASSWORD)


def test_a_vault_that_moved_is_known_by_its_identity(phone: Device) -> None:
    """The new address, and neither certificate nor access token named: the profile has them."""
    digits = phone.ok("show-key")
    profile = phone.home / "profile.toml"
    profile.write_text(profile.read_text().replace(phone.vault.address, "moved.invalid:1"))
    for name in ("CA_FILE", "ACCESS_TOKEN_FILE", "KEY_STORE"):
        phone.more[f"STRONGROOM_{name}"] = ""
    status = phone.run("status")
    assert "this device has the key" in status.stdout, status.stderr
    assert "First contact" not in status.stderr
    assert phone.ok("show-key") == digits
    assert phone.vault.address in profile.read_text()
