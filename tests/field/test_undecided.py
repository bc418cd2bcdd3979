"""What a person lost attempts or the key by, in the field: networks and devices that give up."""

from __future__ import annotations

import resource
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pytest
from person import PASSWORD, PROGRAM, Device

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultProcess

MIB = 2**20


@pytest.fixture
def phone(tmp_path: Path, shared_vault: VaultProcess, account: str) -> Device:
    """A device of an account that may fail three times."""
    device = Device(tmp_path / "phone", shared_vault, account)
    device.enable("--attempt-limit", "3")
    return device


@pytest.fixture
def new_phone(tmp_path: Path, phone: Device) -> Device:
    return Device(tmp_path / "new", phone.vault, phone.account)


@pytest.mark.parametrize("kept_in", ["memory", "home"])
@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("StartRecovery", "Type the same password again"),
        ("FinishRecovery", "Attempts left: 3 of 3."),  # it was proven, and nobody heard of it
    ],
)
def test_the_last_attempt_is_gone_on_with_by_the_next_run(
    phone: Device, new_phone: Device, tmp_path: Path, lost: str, told: str, kept_in: str
) -> None:
    if kept_in == "memory":
        (tmp_path / "run").mkdir(mode=0o700)
        new_phone.more["XDG_RUNTIME_DIR"] = str(tmp_path / "run")
    for _ in range(2):
        assert new_phone.run("show-key", "--password-fd", "0", typed="wrong").returncode == 3
    for expected in ("Attempts left: 1 of 3.", told):
        cut_off = new_phone.run("show-key", "--password-fd", "0", typed=PASSWORD, odd=f"cut:{lost}")
        assert cut_off.returncode == 5
        assert expected in cut_off.stderr
    assert new_phone.ok("show-key", "--password-fd", "0", typed=PASSWORD) == phone.ok("show-key")
    assert phone.attempts_left() == 3


def test_it_is_the_same_attempt_at_another_address_of_the_vault(
    phone: Device, new_phone: Device
) -> None:
    for _ in range(2):
        new_phone.run("show-key", "--password-fd", "0", typed="wrong")
    new_phone.run("show-key", "--password-fd", "0", typed=PASSWORD, odd="cut:StartRecovery")
    new_phone.more["STRONGROOM_VAULT"] = f"127.0.0.1:{phone.vault.port}"
    assert new_phone.ok("show-key", "--password-fd", "0", typed=PASSWORD) == phone.ok("show-key")


def test_another_device_is_told_of_the_last_attempt_before_it_is_asked(
    phone: Device, new_phone: Device
) -> None:
    for typed, odd in (("wrong", ""), ("wrong", ""), (PASSWORD, "cut:StartRecovery")):
        new_phone.run("show-key", "--password-fd", "0", typed=typed, odd=odd)
    refused = phone.run("rehearse", "--password-fd", "0", typed=PASSWORD)
    assert refused.returncode == 1
    assert "The last attempt is under way, perhaps on another device." in refused.stderr
    assert new_phone.ok("show-key", "--password-fd", "0", typed=PASSWORD) == phone.ok("show-key")


def test_nothing_of_an_attempt_stays_once_it_is_decided(phone: Device, new_phone: Device) -> None:
    def kept() -> list[Path]:
        return list(new_phone.home.glob("attempt-*"))

    new_phone.run("show-key", "--password-fd", "0", typed=PASSWORD, odd="cut:StartRecovery")
    assert len(kept()) == 1
    assert PASSWORD not in kept()[0].read_text()
    new_phone.run("show-key", "--password-fd", "0", typed="wrong")
    assert kept() == []
    new_phone.ok("show-key", "--password-fd", "0", typed=PASSWORD)
    assert kept() == []
    assert phone.attempts_left() == 3


@pytest.mark.parametrize("mebibytes", [250, 300, 400, 500, 700])
def test_too_little_memory_is_said_and_costs_no_attempt(
    phone: Device, new_phone: Device, mebibytes: int
) -> None:
    """`prlimit --as`, as small machines and containers have it."""
    limit = mebibytes * MIB
    done = subprocess.run(
        [PROGRAM, "show-key", "--password-fd", "0"],
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_AS, (limit, limit)),
        env=new_phone.environment(),
        input=PASSWORD,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert phone.attempts_left() == 3
    if done.returncode == 0:
        assert done.stdout == phone.ok("show-key")
    else:
        assert done.returncode == 1
        assert "There is not enough memory" in done.stderr
        assert "No attempt was used." in done.stderr
    assert done.returncode == 1 or mebibytes > 500
