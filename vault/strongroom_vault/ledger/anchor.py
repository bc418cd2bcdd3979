"""The anchor: remembers the newest head, and is not rolled back with the database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

from strongroom_vault.errors import HsmUnavailable, StrongroomVaultError
from strongroom_vault.ledger.head import InvalidHead

if TYPE_CHECKING:
    from strongroom_vault.ledger.head import Anchored, Head


class AnchorMoved(StrongroomVaultError):
    """The anchor does not hold what this vault put there: another vault moved it."""


class Unanchored(HsmUnavailable):
    """The change is durable but not anchored, so nobody may act on its `outcome`.

    The next commit anchors it first; a caller may then undo what it had charged.
    """

    def __init__(self, error: HsmUnavailable, outcome: object) -> None:
        super().__init__(str(error), error.retry_after)
        self.outcome = outcome


class Anchor(Protocol):
    """The whole interface. Every method raises HsmUnavailable."""

    async def read(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        """Remember `new` instead of `expected`. Repeating it is safe.

        Raises:
            AnchorMoved: the anchor holds something else, and keeps it.
        """


class AnchorTracker:
    """Moves the anchor to the newest head, and remembers what it holds. Owned by one event loop."""

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self.held: Anchored
        """What the anchor holds; set once it is known."""
        self.is_reached = True
        """Whether the anchor answered the last time that it was moved."""
        self.seconds = 0.0
        """How long all moves took."""

    async def read(self) -> Anchored | None:
        """Ask the anchor what it remembers, None for nothing."""
        return await self._anchor.read()

    async def reach(self, newest: Anchored) -> None:
        """Make the anchor remember the newest head, if it does not yet.

        Raises:
            AnchorMoved: it holds something else than this vault put there.
            HsmUnavailable: it does not answer.
        """
        if self.held != newest:
            began = time.perf_counter()
            # False until the anchor has answered: after an error `check` moves it again.
            self.is_reached = False
            await self._anchor.advance(self.held, newest)
            # Only after the answer: if the move did not reach the token, the next one must still
            # expect the old value. If it did, repeating it is safe.
            self.held = newest
            self.is_reached = True
            self.seconds += time.perf_counter() - began


def check_newest(head: Head, anchored: Anchored | None) -> Anchored:
    """Return what the anchor holds, if the database is the newest or one unanswered commit ahead.

    Raises:
        InvalidHead: it is neither; the message says which of the two is older, and by how much.
    """
    if anchored is None:
        raise InvalidHead(
            "the token has no anchor, so nothing proves that this database is the newest"
        )
    if head.anchored == anchored:
        return anchored
    # A crash fell between commit and anchor, and nothing had been answered. The digest is compared,
    # because a commit of the same number on another head is another history.
    if head.epoch == anchored.epoch + 1 and head.previous == anchored.digest:
        return anchored
    missing = anchored.epoch - head.epoch
    if missing > 0:
        raise InvalidHead(
            f"the database is older than the token's anchor: {_commits(missing)}"
            f" {'is' if missing == 1 else 'are'} missing (the database has commit {head.epoch}, the"
            f" anchor commit {anchored.epoch})"
        )
    if missing < 0:
        raise InvalidHead(
            f"the token's anchor is older than the database by {_commits(-missing)} (the database"
            f" has commit {head.epoch}, the anchor commit {anchored.epoch})"
        )
    raise InvalidHead(f"the database and the anchor hold different commits {head.epoch}")


def _commits(count: int) -> str:
    return "1 commit" if count == 1 else f"{count} commits"
