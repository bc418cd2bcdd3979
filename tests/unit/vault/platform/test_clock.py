"""The clock of records and states."""

from __future__ import annotations

from strongroom_vault.platform.clock import now_ms


def test_the_clock_is_in_milliseconds() -> None:
    assert 1_700_000_000_000 < now_ms() < 10_000_000_000_000
