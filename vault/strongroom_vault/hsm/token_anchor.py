"""The anchor in the token, as the ledger sees it; `anchor_slots.py` says how it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from strongroom_vault.hsm.jobs import AdvanceAnchor, AnchorIs, ReadAnchor
from strongroom_vault.ledger.anchor import AnchorMoved

if TYPE_CHECKING:
    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.head import Anchored

log = structlog.get_logger()


class TokenAnchor:
    """The anchor in the token."""

    def __init__(self, pool: TokenPool) -> None:
        self._pool = pool

    async def read(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""
        answer = await self._pool.run(ReadAnchor())
        return answer.value

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        """Remember `new` instead of `expected`.

        A session that sees an older value, or none, may have lost sight of a slot (SoftHSM hides
        objects while others are made and destroyed), so that only new ones are believed.
        """
        job = AdvanceAnchor(expected, new)
        answer: AnchorIs = await self._pool.run(job)
        epoch = -1 if answer.value is None else answer.value.epoch
        if epoch < expected.epoch:
            log.warning("the anchor looks older than it was", epoch=epoch)
            await self._pool.renew()
            answer = await self._pool.run(job)
        if answer.value != new:
            raise AnchorMoved("the token's anchor was moved by somebody else")
