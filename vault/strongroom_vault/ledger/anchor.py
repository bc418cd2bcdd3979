"""The anchor: remembers the newest head, and is not rolled back with the database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom_vault.errors import StrongroomVaultError

if TYPE_CHECKING:
    from strongroom_vault.ledger.head import Anchored


class AnchorMoved(StrongroomVaultError):
    """The anchor does not hold what this vault put there: another vault moved it."""


class Anchor(Protocol):
    """The whole interface. Every method raises HsmUnavailable."""

    async def read(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        """Remember `new` instead of `expected`. Repeating it is safe.

        Raises:
            AnchorMoved: the anchor holds something else, and keeps it.
        """
