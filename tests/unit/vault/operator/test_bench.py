"""The bench's figures, and that it leaves nothing behind. `test_rates.py` runs the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.operator import bench

if TYPE_CHECKING:
    from made_vault import MadeVault
    from vault_process import SoftHsm, VaultFolder


def test_percentiles_and_rate() -> None:
    rate = bench._rate("disk: commits", [number / 1000 for number in range(1, 101)], 2.0)
    assert (rate.what, rate.per_s) == ("disk: commits", 50.0)
    assert rate.p50_ms == pytest.approx(50.5)
    assert 99 <= rate.p99_ms <= 101


def test_a_step_is_taken_twice_at_least() -> None:
    steps: list[None] = []
    times, total_s = bench._repeat(lambda: steps.append(None), 0.0)
    assert (len(steps), len(times)) == (2, 2)
    assert total_s == pytest.approx(sum(times))


def test_the_anchor_of_the_bench_is_not_the_vaults(made: MadeVault, softhsm: SoftHsm) -> None:
    with open_token(softhsm.settings()) as token:
        before = token.anchor.read()
    assert bench._anchor(made.settings, 0.0).per_s > 0
    with open_token(softhsm.settings()) as token:
        assert token.anchor.read() == before
    with open_token(softhsm.settings(), bench.LABELS) as token:
        assert token.anchor.read() is None


def test_commits_go_to_a_store_that_is_removed(made: MadeVault) -> None:
    before = sorted(made.database.parent.iterdir())
    store = made.database.read_bytes()
    rate = bench._commits(made.settings, 0.0)
    assert 0 < rate.p50_ms <= rate.p99_ms
    assert sorted(made.database.parent.iterdir()) == before
    assert made.database.read_bytes() == store


def test_a_folder_that_is_missing(before_init: VaultFolder) -> None:
    before_init.settings_file.write_text(
        before_init.settings_file.read_text().replace('"vault.db"', '"missing/vault.db"')
    )
    settings = before_init.settings()
    with pytest.raises(OperatorError, match=r"cannot commit in .*missing"):
        bench._commits(settings, 0.0)
