"""The command in a shell's pipelines, and every night."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from person import PROGRAM, Device

from strongroom import BackupKey

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

pytestmark = pytest.mark.parametrize(  # where OPRF keys rest is nothing to a pipe
    "shared_vault", ["wrapped"], indirect=True, scope="session"
)


@pytest.fixture
def phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    device = Device(tmp_path / "phone", shared_vault, account)
    device.enable()
    (device.folder / "chats").mkdir()
    (device.folder / "chats" / "alice").write_bytes(os.urandom(300_000))
    return device


def shell(device: Device, line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("strongroom", PROGRAM)],
        cwd=device.folder,
        env=device.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_folder_goes_out_and_comes_back(phone: Device) -> None:
    before = (phone.folder / "chats" / "alice").read_bytes()
    made = shell(phone, "tar c chats | strongroom backup - > chats.age")
    assert (made.returncode, made.stderr) == (0, "")
    (phone.folder / "chats" / "alice").unlink()
    got = shell(phone, "strongroom restore chats.age -o - | tar x")
    assert (got.returncode, got.stderr) == (0, "")
    assert (phone.folder / "chats" / "alice").read_bytes() == before
    whole = (phone.folder / "chats.age").read_bytes()
    (phone.folder / "cut.age").write_bytes(whole[:-70_000])
    cut = shell(phone, "strongroom restore /dev/stdin -o /dev/stdout < cut.age | wc -c")
    assert cut.returncode == 1
    assert "damaged" in cut.stderr
    assert not (phone.folder / "-").exists()


def test_what_cannot_be_delivered_is_no_success(phone: Device) -> None:
    full = shell(phone, "strongroom backup chats/alice -o - > /dev/full")
    assert (full.returncode, full.stderr) == (1, "strongroom: stdout: No space left on device\n")
    closed = shell(phone, "strongroom backup chats/alice -o - >&-")
    assert closed.returncode == 1
    assert "standard output is closed" in closed.stderr
    nothing = shell(phone, "strongroom backup - -o x.age <&-")
    assert nothing.returncode == 1
    assert "descriptor 0 is not open" in nothing.stderr
    assert not (phone.folder / "x.age").exists()


def test_a_descriptor_that_is_not_open_is_named(phone: Device) -> None:
    for line in (
        "strongroom rehearse --password-fd 7",
        "strongroom rehearse --password-fd 0 <&-",
        "strongroom restore x.age --digits-fd 7",
    ):
        done = shell(phone, line)
        assert done.returncode == 1
        assert "is not open" in done.stderr


def test_every_night(phone: Device, tmp_path: Path) -> None:
    for _ in range(2):
        done = phone.run("backup", "--quiet", "--force", "chats/alice")
        assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    again = phone.run("backup", "chats/alice")
    assert again.returncode == 1
    assert "--force" in again.stderr
    key = BackupKey.from_digits(phone.ok("show-key"))
    key.decrypt_file(phone.folder / "chats" / "alice.age", tmp_path / "alice")
    assert (tmp_path / "alice").read_bytes() == (phone.folder / "chats" / "alice").read_bytes()
