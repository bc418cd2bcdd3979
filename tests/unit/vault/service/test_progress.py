"""The words of a rotation's progress, as `rotate-wrap-key --status` has always shown them."""

from __future__ import annotations

from dataclasses import asdict

from strongroom_vault.service.progress import Progress, Stage


def test_the_stages_in_their_order() -> None:
    words = ["idle", "preparing", "rewrapping", "destroying", "done", "failed"]
    assert [stage.value for stage in Stage] == words


def test_nothing_has_been_rotated_at_first() -> None:
    assert asdict(Progress()) == {
        "stage": Stage.IDLE,
        "wrap_key": 0,
        "buckets_done": 0,
        "buckets": 0,
        "rewrapped": 0,
        "problem": "",
    }
