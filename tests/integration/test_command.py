"""The command `strongroom` as a person or a script runs it: what it prints, keeps and returns."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pexpect
import pytest
from person import PASSWORD, Device

from strongroom import BackupKey

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

OTHER_IDENTITY = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"
SUBCOMMANDS = (
    "enable",
    "backup",
    "restore",
    "status",
    "show-key",
    "change-password",
    "rehearse",
    "disable",
)


@pytest.fixture
def phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    device = Device(tmp_path / "phone", shared_vault, account)
    device.ok("enable", "--password-fd", "0", typed=PASSWORD)
    (device.folder / "chats.db").write_bytes(os.urandom(300_000))
    return device


@pytest.fixture
def new_phone(tmp_path: Path, phone: Device) -> Device:
    phone.ok("backup", "chats.db")
    device = Device(tmp_path / "new", phone.vault, phone.account)
    (phone.folder / "chats.db.age").rename(device.folder / "chats.db.age")
    return device


def same(one: Device, other: Device) -> None:
    assert (one.folder / "chats.db").read_bytes() == (other.folder / "chats.db").read_bytes()


def test_lose_the_device_and_get_everything_back(phone: Device, new_phone: Device) -> None:
    wrong = new_phone.run("restore", "chats.db.age", "--password-fd", "0", typed="wrong")
    assert wrong.returncode == 3
    assert "9 attempts are left" in wrong.stderr
    assert not (new_phone.folder / "chats.db").exists()
    new_phone.ok("restore", "chats.db.age", "--password-fd", "0", typed=PASSWORD)
    same(phone, new_phone)
    (new_phone.folder / "chats.db").unlink()
    new_phone.ok("restore", "chats.db.age")  # the key is kept now
    same(phone, new_phone)


def test_the_64_digit_key_needs_no_vault(phone: Device, new_phone: Device) -> None:
    digits = phone.ok("show-key")
    assert BackupKey.from_digits(digits).digits == digits.strip()
    new_phone.more["STRONGROOM_VAULT"] = "localhost:1"
    new_phone.ok("restore", "chats.db.age", "--digits-fd", "0", typed=digits)
    same(phone, new_phone)


def test_the_age_identity(phone: Device) -> None:
    assert phone.ok("show-key", "--age").startswith("AGE-SECRET-KEY-1")


def test_change_password_rehearse_status_disable(phone: Device) -> None:
    phone.ok("change-password", "--new-password-fd", "0", typed="new " + PASSWORD)
    assert phone.run("rehearse", "--password-fd", "0", typed=PASSWORD).returncode == 3
    phone.ok("rehearse", "--password-fd", "0", typed="new " + PASSWORD)
    assert "10 of 10 attempts left" in phone.ok("status")
    phone.ok("disable", "--yes")
    assert "key       none" in phone.ok("status")
    assert phone.run("disable", "--yes").returncode == 1


def test_a_second_enable_does_not_lose_the_first_key(phone: Device, new_phone: Device) -> None:
    refused = new_phone.run("enable", "--password-fd", "0", typed="new " + PASSWORD)
    assert refused.returncode == 1
    assert "already has a backup key for this account, and this device has none" in refused.stderr
    new_phone.ok("enable", "--replace", "--password-fd", "0", typed="new " + PASSWORD)
    assert phone.run("rehearse", "--password-fd", "0", typed=PASSWORD).returncode == 3


def test_guessing_to_destruction(phone: Device, tmp_path: Path) -> None:
    thief = Device(tmp_path / "thief", phone.vault, phone.account)
    guesses = [thief.run("show-key", "--password-fd", "0", typed="guess") for _ in range(9)]
    assert {guess.returncode for guess in guesses} == {3}
    assert "1 attempt is left: the next wrong password destroys the key" in guesses[-1].stderr
    assert "the next wrong password destroys the key" in thief.said("status")
    last = thief.run("show-key", "--password-fd", "0", typed="guess")
    assert "the next wrong password destroys the key" in last.stderr
    assert last.returncode == 4
    late = thief.run("show-key", "--password-fd", "0", typed=PASSWORD)
    assert late.returncode == 4
    assert "destroyed this key for good" in late.stderr
    assert "64 digits" in late.stderr
    for told in (phone.said("status"), phone.run("rehearse", "--password-fd", "0").stderr):
        assert "strongroom enable\n" in told
        assert "strongroom show-key" in told
    assert phone.ok("show-key")
    assert "strongroom restore --digits" in thief.said("status")


def test_each_failure_is_a_sentence(phone: Device, tmp_path: Path) -> None:
    phone.ok("backup", "chats.db")
    cases: list[tuple[tuple[str, ...], str, int, str]] = [
        (("backup", "chats.db"), "", 1, "already exists"),
        (("backup", "missing"), "", 1, "No such file"),
        (("restore", "chats.db"), "", 2, "--output"),
        (("restore", "chats.db", "-o", "out"), "", 1, "not an encrypted backup"),
        (("restore", "chats.db.age"), "", 1, "already exists"),
        (("restore", "chats.db.age", "-o", "x", "--digits-fd", "0"), "12 34", 1, "64-digit key"),
        (
            ("restore", "chats.db.age", "-o", "x", "--digits-fd", "0"),
            "0" * 64,
            1,
            "does not open this backup",
        ),
        (("status", "--vault", "localhost:1"), "", 5, "does not answer"),
        (("status", "--identity", OTHER_IDENTITY), "", 1, "not the vault"),
        (("status", "--identity", "A" * 44), "", 1, "identity"),
        (("status", "--identity", "garbage!"), "", 1, "identity"),
        (("status", "--access-token-file", "missing"), "", 1, "No such file"),
        (("rehearse",), "", 1, "no terminal"),
        (("rehearse", "--password-fd", "0"), "\x00", 1, "cannot be a password"),
        (("enable", "--replace", "--password-fd", "0"), "hunter2", 1, "easy to guess"),
        (("nonsense",), "", 2, "No such command"),
    ]
    for arguments, typed, code, sentence in cases:
        done = phone.run(*arguments, typed=typed)
        assert (done.returncode, sentence in done.stderr) == (code, True), (arguments, done.stderr)
        assert done.stdout == ""


def test_an_expired_and_a_foreign_token(phone: Device) -> None:
    phone.token.write_text(phone.vault.folder.access_token(phone.account, scope="read"))
    assert "lacks the scope" in phone.run("disable", "--yes").stderr
    phone.token.write_text("garbage")
    assert "there is no access token in this file" in phone.run("status").stderr


def test_a_key_file_that_others_can_read_is_refused(phone: Device) -> None:
    key_file = phone.folder / "home" / "backup.key"
    assert key_file.stat().st_mode & 0o777 == 0o600
    key_file.chmod(0o644)
    done = phone.run("backup", "chats.db")
    assert done.returncode == 1
    assert "chmod 600" in done.stderr


def test_a_damaged_backup_restores_nothing(phone: Device, new_phone: Device) -> None:
    backup = new_phone.folder / "chats.db.age"
    whole = backup.read_bytes()
    digits = phone.ok("show-key")
    changed = whole[:200_000] + bytes([whole[200_000] ^ 1]) + whole[200_001:]
    for damaged in (whole[:-1], whole[:-70_000], changed):
        backup.write_bytes(damaged)
        done = new_phone.run("restore", "chats.db.age", "--digits-fd", "0", typed=digits)
        assert done.returncode == 1
        assert "damaged" in done.stderr
    left = {path.name for path in new_phone.folder.iterdir()}
    assert left == {"chats.db.age", "token"}


@pytest.mark.parametrize("command", SUBCOMMANDS)
def test_help(phone: Device, command: str) -> None:
    text = phone.ok(command, "--help")
    assert text.startswith(f"Usage: strongroom {command}")


def test_the_help_names_every_command(phone: Device) -> None:
    text = phone.ok("--help")
    assert all(f"\n  {command} " in text for command in SUBCOMMANDS)
    assert "Exit codes" in text


class TestOnATerminal:
    def test_enable_asks_twice_and_questions_a_weak_password(
        self, tmp_path: Path, shared_vault: VaultProcess, account: str
    ) -> None:
        device = Device(tmp_path / "phone", shared_vault, account)
        terminal = device.terminal("enable")
        terminal.expect("First contact")
        terminal.expect("New password")
        terminal.sendline("hunter2")
        terminal.expect("The same again")
        terminal.sendline("hunter3")
        terminal.expect("do not match")
        terminal.expect("New password")
        terminal.sendline("hunter2")
        terminal.expect("The same again")
        terminal.sendline("hunter2")
        terminal.expect("easy to guess")
        terminal.sendline("n")
        terminal.expect("New password")
        terminal.sendline(PASSWORD)
        terminal.expect("The same again")
        terminal.sendline(PASSWORD)
        terminal.expect("Protecting the key")
        assert terminal.waitnoecho(timeout=30)  # what is typed ahead stays unseen
        terminal.expect("Done")
        terminal.expect(pexpect.EOF)
        assert PASSWORD not in terminal.before
        terminal.close()
        assert terminal.exitstatus == 0

    def test_a_wrong_password_may_be_mended(self, phone: Device, new_phone: Device) -> None:
        terminal = new_phone.terminal("restore", "chats.db.age")
        terminal.expect("Attempts left: 10 of 10")
        terminal.expect("Password")
        terminal.sendline("wrong")
        terminal.expect("9 attempts are left")
        terminal.expect("Password")
        terminal.sendline(PASSWORD)
        terminal.expect("Decrypting.*100%")
        terminal.expect("is restored")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert terminal.exitstatus == 0
        same(phone, new_phone)

    def test_ctrl_c_at_a_prompt(self, new_phone: Device) -> None:
        terminal = new_phone.terminal("restore", "chats.db.age")
        terminal.expect("Password")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert "Traceback" not in terminal.before
        assert "strongroom:" not in terminal.before
        terminal.close()
        assert terminal.exitstatus == 130

    def test_a_terminal_echoes_again_after_the_end(self, new_phone: Device) -> None:
        terminal = new_phone.terminal("restore", "chats.db.age")
        terminal.expect("Password")
        assert not terminal.getecho()
        terminal.kill(signal.SIGTERM)
        terminal.expect(pexpect.EOF)
        assert "Traceback" not in terminal.before
        terminal.close()
        assert terminal.signalstatus == signal.SIGTERM
        assert [path.name for path in new_phone.folder.glob("*chats*")] == ["chats.db.age"]

    def test_disable_asks(self, phone: Device) -> None:
        terminal = phone.terminal("disable")
        terminal.expect("Delete the key")
        terminal.sendline("n")
        terminal.expect(pexpect.EOF)
        terminal.close()
        assert "10 of 10 attempts left" in phone.ok("status")
