"""The wall clock, in the unit of every time in the vault."""

from __future__ import annotations

import time

from strongroom_vault.platform.clock import now_ms


def test_milliseconds_since_1970() -> None:
    before = time.time()
    now = now_ms()
    assert int(before * 1000) - 1 <= now <= time.time() * 1000 + 1
