"""What the anchor holds, and which database is the newest."""

from __future__ import annotations

import pytest
from ledgers import MemoryAnchor

from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.ledger.anchor import AnchorMoved, AnchorTracker, check_newest
from strongroom_vault.ledger.head import Anchored, Head, InvalidHead

HEAD = Head("vault.test", 7, b"r" * 32, b"a" * 32, b"p" * 32, 1, 1_800_000_000_000)
FIRST, SECOND, THIRD = (Anchored(number, bytes([number]) * 32) for number in (1, 2, 3))


class TestNewest:
    def test_the_same(self) -> None:
        assert check_newest(HEAD, HEAD.anchored) == HEAD.anchored

    def test_one_ahead_of_the_anchored_head(self) -> None:
        anchored = Anchored(6, HEAD.previous)
        assert check_newest(HEAD, anchored) == anchored

    @pytest.mark.parametrize(
        ("anchored", "words"),
        [
            (None, "no anchor"),
            (Anchored(6, b"x" * 32), "older than the database by 1 commit "),
            (Anchored(5, HEAD.previous), "older than the database by 2 commits"),
            (Anchored(8, b"x" * 32), "1 commit is missing"),
            (Anchored(107, b"x" * 32), "100 commits are missing"),
            (Anchored(7, b"x" * 32), "different commits"),
        ],
    )
    def test_anything_else(self, anchored: Anchored | None, words: str) -> None:
        with pytest.raises(InvalidHead, match=words):
            check_newest(HEAD, anchored)


class TestTracker:
    async def test_it_moves_the_anchor_once(self) -> None:
        anchor = MemoryAnchor(FIRST)
        tracker = AnchorTracker(anchor)
        tracker.held = FIRST
        await tracker.reach(SECOND)
        await tracker.reach(SECOND)
        assert (anchor.value, anchor.advances, tracker.held) == (SECOND, 1, SECOND)
        assert tracker.is_reached
        assert tracker.seconds > 0

    async def test_a_move_that_failed_is_still_to_be_made(self) -> None:
        anchor = MemoryAnchor(FIRST)
        tracker = AnchorTracker(anchor)
        tracker.held = FIRST
        anchor.fails_once = True
        with pytest.raises(HsmUnavailable):
            await tracker.reach(SECOND)
        assert (tracker.is_reached, tracker.held) == (False, FIRST)
        await tracker.reach(SECOND)
        assert (tracker.is_reached, await tracker.read()) == (True, SECOND)

    async def test_another_vault_is_noticed(self) -> None:
        tracker = AnchorTracker(MemoryAnchor(THIRD))
        tracker.held = FIRST
        with pytest.raises(AnchorMoved):
            await tracker.reach(SECOND)
