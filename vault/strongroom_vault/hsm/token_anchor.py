"""The anchor in the token, as the ledger sees it; `token/anchor_slots.py` says how it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from strongroom_vault.hsm.jobs import AdvanceAnchor, ReadAnchor
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
        """Return what the anchor remembers, None if nothing."""
        return (await self._pool.run(ReadAnchor())).value

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        """Remember `new` instead of `expected`.

        Raises:
            AnchorMoved: the anchor holds something else, or is gone.
            HsmUnavailable: no worker answers, or no new one starts.
        """
        job = AdvanceAnchor(expected, new)
        # 1. Move the anchor. If the worker finds something newer than expected, another vault has
        #    put it there.
        held = (await self._pool.run(job)).value
        # 2. Do not believe a session that finds something older, or nothing: it may have lost sight
        #    of a slot, as SoftHSM's do while other objects are made and destroyed. Ask a new one.
        #    Stopping here would take a vault down for a fault of one process.
        if held is None or held.epoch < expected.epoch:
            log.warning("the anchor looks older than it was", epoch=held.epoch if held else -1)
            await self._pool.renew()
            held = (await self._pool.run(job)).value
        # 3. Believe what a new session finds, even if it is nothing. A vault that went on without
        #    an anchor could be rolled back to an old database, with every guess that it had
        #    counted.
        if held is None:
            raise AnchorMoved("the token has lost its anchor")
        if held != new:
            raise AnchorMoved("another vault has moved the token's anchor")
