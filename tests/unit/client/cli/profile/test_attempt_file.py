"""The seed of an attempt between two runs: for two minutes, for its owner alone."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from strongroom.attempts import new_seed
from strongroom.cli.profile.attempt_file import LIFETIME_S, AttemptFile, attempt_file

if TYPE_CHECKING:
    from pathlib import Path

SEED = new_seed()
VAULT_1, VAULT_2 = (lambda: "identity 1"), (lambda: "identity 2")


class Clock:
    """A clock that a test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_it_is_there_for_two_minutes_after_each_try(tmp_path: Path) -> None:
    clock = Clock()
    kept = AttemptFile(tmp_path / "attempts" / "one", clock)
    assert kept.load() is None
    kept.save(SEED)
    clock.now += LIFETIME_S - 1
    assert kept.load() == SEED
    kept.save(SEED)
    clock.now += LIFETIME_S - 1
    assert kept.load() == SEED
    clock.now += 3
    assert kept.load() is None
    clock.now -= 3
    assert kept.load() is None  # what is too old is removed, not only passed over


def test_a_clock_that_was_set_back_by_much_ends_it(tmp_path: Path) -> None:
    clock = Clock()
    kept = AttemptFile(tmp_path / "one", clock)
    kept.save(SEED)
    clock.now -= LIFETIME_S - 1
    assert kept.load() == SEED  # clocks are set back by seconds, and an attempt is precious
    clock.now -= 2
    assert kept.load() is None


def test_forgotten_is_gone(tmp_path: Path) -> None:
    kept = AttemptFile(tmp_path / "one")
    kept.save(SEED)
    kept.forget()
    kept.forget()
    assert kept.load() is None
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_can_read_it_and_what_others_wrote_is_not_believed(tmp_path: Path) -> None:
    kept = AttemptFile(tmp_path / "one")
    kept.save(SEED)
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    (tmp_path / "one").chmod(0o644)
    assert kept.load() is None


@pytest.mark.parametrize(
    "text", ["", "x", "1 2 3", "nan 00", f"{2**63} {'0' * 64}", "1800000000 00"]
)
def test_what_is_no_seed_is_none(tmp_path: Path, text: str) -> None:
    kept = AttemptFile(tmp_path / "one", Clock())
    (tmp_path / "one").write_text(text)
    (tmp_path / "one").chmod(0o600)
    assert kept.load() is None


def test_each_account_and_vault_has_its_own(tmp_path: Path) -> None:
    one = attempt_file(tmp_path, {}, VAULT_1, "alice")
    one.save(SEED)
    assert attempt_file(tmp_path, {}, VAULT_1, "alice").load() == SEED
    assert attempt_file(tmp_path, {}, VAULT_1, "bob").load() is None
    assert attempt_file(tmp_path, {}, VAULT_2, "alice").load() is None


def test_what_nobody_came_back_for_goes_with_the_next_command(tmp_path: Path) -> None:
    for identity in (VAULT_1, VAULT_2):
        attempt_file(tmp_path, {}, identity, "alice").save(SEED)
    old, new = sorted(tmp_path.iterdir())
    os.utime(old, (0, time.time() - LIFETIME_S - 1))
    attempt_file(tmp_path, {}, VAULT_1, "bob")
    assert list(tmp_path.iterdir()) == [new]


def test_memory_is_used_where_the_system_has_a_private_folder_in_it(tmp_path: Path) -> None:
    run, home = tmp_path / "run", tmp_path / "home"
    run.mkdir(mode=0o700)
    home.mkdir()
    environment = {"XDG_RUNTIME_DIR": str(run)}
    attempt_file(home, environment, VAULT_1, "alice").save(SEED)
    assert list(home.iterdir()) == []
    assert [folder.name for folder in run.iterdir()] == ["strongroom"]
    run.chmod(0o755)
    assert attempt_file(home, environment, VAULT_1, "alice").load() is None
    for unusable in ("", "run", str(tmp_path / "missing")):
        attempt_file(home, {"XDG_RUNTIME_DIR": unusable}, VAULT_1, "alice").save(SEED)
        assert attempt_file(home, {}, VAULT_1, "alice").load() == SEED
