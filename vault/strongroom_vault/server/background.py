"""What goes on beside the calls: health, the sweep of spent keys, the search for orphaned keys.

Each is a step that `_repeat` takes again and again until the vault goes down.
"""

from __future__ import annotations

import asyncio
import math
import time
from itertools import cycle
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_vault.errors import Refusal
from strongroom_vault.hsm.jobs import ReadAnchor
from strongroom_vault.service.resident_keys import RECONCILE_PERIOD_S
from strongroom_vault.store.interface import BUCKET_BITS, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from strongroom_vault.api.health import Health
    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.service.keys import AccountKeys
    from strongroom_vault.service.resident_keys import ResidentKeys

log = structlog.get_logger()

HEALTH_PERIOD_S: Final = 1.0
TOKEN_PERIOD_S: Final = 10.0
"""How often the token is asked for its anchor, only to see that it answers."""


class HealthWatch:
    """Checks whether token and store answer, and tells the health service."""

    def __init__(
        self, pool: TokenPool, ledger: Ledger, health: Health, is_draining: Callable[[], bool]
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._health = health
        self._is_draining = is_draining
        self._serving: bool | None = None
        self._token_asked_at = -math.inf

    @property
    def serving(self) -> bool:
        """Whether the last look was good, and the vault may still serve."""
        return bool(self._serving) and self._may_serve

    @property
    def was_serving(self) -> bool:
        """Whether the last look was good."""
        return bool(self._serving)

    async def run(self) -> None:
        """Look every second."""
        await _repeat(self.look, HEALTH_PERIOD_S, "health check failed")

    async def look(self) -> None:
        """Look once, and tell the health service if the answer is new."""
        before, self._serving = self._serving, await self._answers()
        if self._serving is not before:
            self._health.set(serving=self._serving)
            log.info("health", serving=self._serving)

    @property
    def _may_serve(self) -> bool:
        return self._pool.healthy and self._ledger.rollback is None and not self._is_draining()

    async def _answers(self) -> bool:
        if not self._may_serve:
            return False
        try:
            if self._is_tokens_turn() and (await self._pool.run(ReadAnchor())).value is None:
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

    def _is_tokens_turn(self) -> bool:
        """The token is asked less often than the store, unless something is wrong."""
        now = time.monotonic()
        if self._serving and now < self._token_asked_at + TOKEN_PERIOD_S:
            return False
        self._token_asked_at = now
        return True


async def sweep(
    keys: AccountKeys, ledger: Ledger, period_s: float, is_draining: Callable[[], bool]
) -> None:
    """Walk over all records in `period_s`, a bucket at a time, and destroy spent keys."""
    buckets = cycle(range(2**BUCKET_BITS))

    async def step() -> None:
        bucket = next(buckets)
        if ledger.rollback is not None or is_draining():
            return
        if destroyed := await keys.sweep_bucket(bucket):
            log.info("spent keys destroyed", count=destroyed)

    await _repeat(step, period_s / 2**BUCKET_BITS, "sweep failed")


async def reconcile(
    residents: ResidentKeys, ledger: Ledger, is_draining: Callable[[], bool]
) -> None:
    """Find the keys in the token that no record needs: at once, for a crash may have left some."""

    async def step() -> None:
        if not is_draining():
            await residents.reconcile(ledger)

    await _repeat(step, RECONCILE_PERIOD_S, "look at resident keys failed", at_once=True)


async def _repeat(
    step: Callable[[], Awaitable[None]], period_s: float, failure: str, *, at_once: bool = False
) -> None:
    """Take a step every `period_s`; log `failure` where token or store refuse it, and go on."""
    if not at_once:
        await asyncio.sleep(period_s)
    while True:
        try:
            await step()
        except (Refusal, StoreError) as error:
            log.warning(failure, problem=str(error))
        await asyncio.sleep(period_s)
