"""Networks, disks and processes end in the middle: no key is lost, nothing half is left."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from person import ODD_PROGRAM, PASSWORD, Device

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

pytestmark = pytest.mark.parametrize("shared_vault", ["wrapped"], indirect=True)
NEW = "new " + PASSWORD
ENABLE = ("enable", "--password-fd", "0")
REPLACE = ("enable", "--replace", "--password-fd", "0")
END_OF_SESSION = [signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT]
STATUS_UNFINISHED = "WAS NOT FINISHED"


@pytest.fixture
def new_phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    return Device(tmp_path / "phone", shared_vault, account)


@pytest.fixture
def phone(new_phone: Device) -> Device:
    new_phone.enable()
    return new_phone


def tells(device: Device, code: int, *arguments: str, typed: str, odd: str = "") -> str:
    done = device.run(*arguments, typed=typed, odd=odd)
    assert done.returncode == code, done.stderr
    assert "Done" not in done.stderr or code == 0
    return done.stderr


def files(device: Device) -> set[str]:
    return {path.name for path in device.home.iterdir()}


class TestTheAnswerToARegistrationIsLost:
    def test_the_first_enable_is_finished_by_the_next(self, new_phone: Device) -> None:
        told = tells(new_phone, 5, *ENABLE, typed=PASSWORD, odd="cut:FinishRegistration")
        assert "may or may not have the new key" in told
        assert files(new_phone) == {"pending.key", "unproven.toml"}
        assert STATUS_UNFINISHED in new_phone.ok("status")
        kept = (new_phone.home / "pending.key").read_text().partition(" key-id")[0]
        told = tells(new_phone, 3, *ENABLE, typed="another one")
        assert "change-password" in told
        assert new_phone.ok("show-key").strip() == kept
        told = tells(new_phone, 0, *ENABLE, typed=PASSWORD)
        assert files(new_phone) == {"backup.key", "profile.toml"}
        assert "this device has the key" in new_phone.ok("status")

    def test_a_replacement_is_finished_by_the_next(self, phone: Device) -> None:
        old = phone.ok("show-key")
        tells(phone, 5, *REPLACE, typed=NEW, odd="cut:FinishRegistration")
        assert phone.ok("show-key") == old
        assert STATUS_UNFINISHED in phone.ok("status")
        (phone.folder / "chats").write_bytes(b"chats")
        assert "Run `strongroom enable` to finish" in phone.said("backup", "chats")
        tells(phone, 0, *ENABLE, typed=NEW)
        assert phone.ok("show-key") != old
        assert phone.ok("show-key", "--old") == old
        assert "this device has the key" in phone.ok("status")
        assert "WARNING" not in phone.said("backup", "chats", "-o", "again.age")

    @pytest.mark.parametrize("command", ["rehearse", "change-password", "enable --replace"])
    def test_each_other_command_goes_on_from_there_too(self, phone: Device, command: str) -> None:
        old = phone.ok("show-key")
        tells(phone, 5, *REPLACE, typed=NEW, odd="cut:FinishRegistration")
        descriptor = "--new-password-fd" if command == "change-password" else "--password-fd"
        tells(phone, 0, *command.split(), descriptor, "0", typed=NEW)
        assert "this device has the key" in phone.ok("status")
        assert old in phone.ok("show-key", "--old")
        phone.ok("rehearse", "--password-fd", "0", typed=NEW)

    def test_a_password_change_is_finished_by_the_next(self, phone: Device) -> None:
        key = phone.ok("show-key")
        change = ("change-password", "--new-password-fd", "0")
        tells(phone, 5, *change, typed=NEW, odd="cut:FinishRegistration")
        assert STATUS_UNFINISHED in phone.ok("status")
        tells(phone, 0, "rehearse", "--password-fd", "0", typed=NEW)
        assert phone.ok("show-key") == key
        assert phone.ok("show-key", "--old") == ""
        assert files(phone) == {"backup.key", "profile.toml"}

    @pytest.mark.parametrize("odd", ["down:FinishRegistration", "full:pending.key"])
    def test_nothing_was_registered(self, phone: Device, odd: str) -> None:
        old = phone.ok("show-key")
        tells(phone, 5 if odd.startswith("down") else 1, *REPLACE, typed=NEW, odd=odd)
        assert phone.ok("show-key") == old
        assert "this device has the key" in phone.ok("status")
        phone.ok("rehearse", "--password-fd", "0", typed=PASSWORD)
        phone.ok("change-password", "--new-password-fd", "0", typed=NEW)
        assert phone.ok("show-key") == old

    @pytest.mark.parametrize("name", ["backup.key", "old.keys", "profile.toml"])
    def test_the_disk_is_full_after_the_commit(self, phone: Device, name: str) -> None:
        old = phone.ok("show-key")
        told = tells(phone, 1, *REPLACE, typed=NEW, odd=f"full:{name}")
        assert "The vault has the new key" in told
        assert "strongroom enable" in told
        tells(phone, 0, *ENABLE, typed=NEW)
        assert "this device has the key" in phone.ok("status")
        assert phone.ok("show-key") != old
        assert phone.ok("show-key", "--old") == old
        phone.ok("rehearse", "--password-fd", "0", typed=NEW)


class TestTheRehearsalIsCutOff:
    def test_the_key_is_kept_and_nothing_is_pinned(self, new_phone: Device) -> None:
        told = tells(new_phone, 1, *ENABLE, typed=PASSWORD, odd="down:StartRecovery")
        assert "getting it back was cut off" in told
        assert "strongroom rehearse" in told
        attempt = {name for name in files(new_phone) if name.startswith("attempt-")}
        assert len(attempt) == 1  # it may have been charged
        assert files(new_phone) - attempt == {"backup.key", "unproven.toml"}
        (new_phone.folder / "chats").write_bytes(b"chats")
        assert "has not given this key back yet" in new_phone.said("backup", "chats")
        assert "First contact" in new_phone.run("status").stderr
        new_phone.ok("rehearse", "--password-fd", "0", typed=PASSWORD)
        assert files(new_phone) == {"backup.key", "profile.toml"}
        assert "First contact" not in new_phone.run("status").stderr

    def test_what_never_was_proven_binds_nobody(self, new_phone: Device) -> None:
        tells(new_phone, 1, *ENABLE, typed=PASSWORD, odd="down:StartRecovery")
        claimed = new_phone.home / "unproven.toml"
        text = claimed.read_text().splitlines()
        other = 'identity = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"'
        claimed.write_text("\n".join(other if "identity" in line else line for line in text))
        told = tells(new_phone, 0, "show-key", "--vault", new_phone.vault.address, typed="")
        assert told == ""  # a false vault's key is kept, and is no obstacle:
        tells(new_phone, 0, "rehearse", "--password-fd", "0", typed=PASSWORD)
        assert "key " in new_phone.ok("status")

    def test_a_wrong_password_pins_nothing(self, phone: Device, tmp_path: Path) -> None:
        laptop = Device(tmp_path / "laptop", phone.vault, phone.account)
        assert laptop.run("show-key", "--password-fd", "0", typed="wrong").returncode == 3
        assert [path for path in laptop.home.rglob("*") if path.is_file()] == []


def test_a_key_that_came_back_is_used_whatever_the_network_does_then(
    phone: Device, tmp_path: Path
) -> None:
    (phone.folder / "chats").write_text("hello")
    phone.ok("backup", "chats")
    laptop = Device(tmp_path / "laptop", phone.vault, phone.account)
    (laptop.folder / "chats.age").write_bytes((phone.folder / "chats.age").read_bytes())
    tells(
        laptop,
        0,
        *("restore", "chats.age", "--password-fd", "0"),
        typed=PASSWORD,
        odd="gone-after:FinishRecovery",
    )
    assert (laptop.folder / "chats").read_text() == "hello"
    assert laptop.ok("show-key") == phone.ok("show-key")
    assert "`strongroom rehearse` tells" in laptop.ok("status")


def test_a_deletion_is_told_whatever_the_network_does_then(phone: Device) -> None:
    told = tells(phone, 0, "disable", "--yes", typed="", odd="gone-after:DeleteKey")
    assert "Deleted." in told
    assert "none" in phone.ok("status")


def _heed_all_signals() -> None:
    for number in END_OF_SESSION:
        if number is not signal.SIGSTOP:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class TestARestorationIsEnded:
    @pytest.fixture
    def backup(self, phone: Device) -> Device:
        (phone.folder / "chats").write_bytes(os.urandom(1_000_000))
        phone.ok("backup", "chats")
        (phone.folder / "chats").unlink()
        return phone

    @pytest.mark.parametrize(
        ("odd", "numbers", "code"),
        [
            ("stall", [signal.SIGTERM], -signal.SIGTERM),
            ("stall", [signal.SIGHUP], -signal.SIGHUP),
            ("stall", [signal.SIGINT], 130),
            ("stall", [signal.SIGKILL], -signal.SIGKILL),
            ("stall-named", [signal.SIGTERM], -signal.SIGTERM),
            ("stall-named", [signal.SIGHUP], -signal.SIGHUP),
            ("stall-named", [signal.SIGINT], 130),
            # As a session ends: all at once.
            ("stall-named", END_OF_SESSION, -signal.SIGHUP),
        ],
    )
    def test_nothing_of_it_stays(
        self, backup: Device, odd: str, numbers: list[signal.Signals], code: int
    ) -> None:
        before = {path.name for path in backup.folder.iterdir()}
        with subprocess.Popen(
            [sys.executable, ODD_PROGRAM, odd, "restore", "chats.age"],
            cwd=backup.folder,
            env=backup.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_heed_all_signals,  # noqa: PLW1509 -- whoever starts us may ignore some
        ) as process:
            try:
                assert process.stdout is not None
                assert select.select([process.stdout], [], [], 60)[0]
                assert process.stdout.readline() == b"stalled\n"
                for number in numbers:
                    process.send_signal(number)
                _, told = process.communicate(timeout=60)
            finally:
                process.kill()
        assert process.returncode == code, told
        assert b"Traceback" not in told
        assert b"damaged" not in told
        assert {path.name for path in backup.folder.iterdir()} == before
