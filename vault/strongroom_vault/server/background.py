"""What goes on beside the calls: health, the sweep of spent keys, the search for orphaned keys.

Each is a loop that never ends by itself. What token or store refuse is logged and tried again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_vault.errors import Refusal
from strongroom_vault.hsm.jobs import ReadAnchor
from strongroom_vault.service.resident_keys import RECONCILE_PERIOD_S
from strongroom_vault.store.interface import BUCKET_BITS, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.api.health import Health
    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.service.keys import AccountKeys
    from strongroom_vault.service.resident_keys import ResidentKeys

log = structlog.get_logger()

HEALTH_PERIOD_S: Final = 1.0
TOKEN_PERIOD_S: Final = 10.0
"""How often the token is asked for its anchor although nobody needs it."""


class HealthWatch:
    """Finds out again and again whether token and store answer, and tells the health service."""

    def __init__(
        self, pool: TokenPool, ledger: Ledger, health: Health, is_draining: Callable[[], bool]
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._health = health
        self._is_draining = is_draining
        self._serving: bool | None = None

    @property
    def serving(self) -> bool:
        """Whether the last look found all well, and nothing has ended that since."""
        return bool(self._serving) and self._may_serve

    @property
    def was_serving(self) -> bool:
        """Whether the last look found all well."""
        return bool(self._serving)

    async def run(self) -> None:
        """Look every second; ask the token less often, unless something is wrong."""
        loop = asyncio.get_running_loop()
        token_asked_at = loop.time()
        while True:
            await asyncio.sleep(HEALTH_PERIOD_S)
            ask_token = not self._serving or loop.time() >= token_asked_at + TOKEN_PERIOD_S
            if ask_token:
                token_asked_at = loop.time()
            await self.look(ask_token=ask_token)

    async def look(self, *, ask_token: bool) -> None:
        """Look once, and tell the health service if the answer is new."""
        before, self._serving = self._serving, await self._answers(ask_token=ask_token)
        if self._serving is not before:
            self._health.set(serving=self._serving)
            log.info("health", serving=self._serving)

    @property
    def _may_serve(self) -> bool:
        return self._pool.healthy and self._ledger.rollback is None and not self._is_draining()

    async def _answers(self, *, ask_token: bool) -> bool:
        if not self._may_serve:
            return False
        try:
            if ask_token and (await self._pool.run(ReadAnchor())).value is None:
                log.warning("the token has no anchor")
                return False
            await self._ledger.check()
        except StoreError as error:
            log.warning("store does not answer", problem=str(error))
            return False
        except Refusal as refusal:
            log.warning("the token does not answer", problem=str(refusal))
            return False
        return True


async def reconcile(
    residents: ResidentKeys, ledger: Ledger, is_draining: Callable[[], bool]
) -> None:
    """Find the keys in the token that no record needs."""
    while True:
        try:
            if not is_draining():
                await residents.reconcile(ledger)
        except (Refusal, StoreError) as error:
            log.warning("look at resident keys failed", problem=str(error))
        await asyncio.sleep(RECONCILE_PERIOD_S)


async def sweep(
    keys: AccountKeys, ledger: Ledger, period_s: float, is_draining: Callable[[], bool]
) -> None:
    """Walk over all records, a bucket at a time, and destroy the keys that are spent."""
    buckets = 2**BUCKET_BITS
    while True:
        for bucket in range(buckets):
            await asyncio.sleep(period_s / buckets)
            if ledger.rollback is not None or is_draining():
                continue
            try:
                destroyed = await keys.sweep_bucket(bucket)
            except (Refusal, StoreError) as error:
                log.warning("sweep failed", problem=str(error))
                continue
            if destroyed:
                log.info("spent keys destroyed", count=destroyed)
