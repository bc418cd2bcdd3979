"""OPRF keys that rest in the token: destroyed there once no record needs them.

A key is destroyed right after the commit that let it go. What a crash left behind, and what belongs
to registrations that were never finished, a look at the whole token finds. Two looks lie further
apart than a registration may take. A key that no record named in the last look is doomed by the
next: it cannot be registered any more, and if still no record names it, it is destroyed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Protocol, overload

import structlog

from strongroom_vault.errors import TokenUnavailable
from strongroom_vault.hsm.jobs import DestroyOprfKey, ListOprfKeys
from strongroom_vault.record import Active

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_vault.hsm.jobs import OprfKeys
    from strongroom_vault.ledger import Ledger
    from strongroom_vault.record import StoredOprfKey

log = structlog.get_logger()

LOOK_PERIOD_S: Final = 900
"""Seconds between two looks: more than the 600 that a registration state lives."""


class TokenWorkers(Protocol):
    """What is asked of the token: `hsm.pool.TokenPool`."""

    @overload
    async def run(self, job: DestroyOprfKey) -> OprfKeys: ...
    @overload
    async def run(self, job: ListOprfKeys) -> OprfKeys: ...


class ResidentKeys:
    """Destroys what nobody needs. Owned by one event loop."""

    def __init__(self, token: TokenWorkers) -> None:
        self._token = token
        self._unnamed: frozenset[bytes] = frozenset()
        self._doomed: frozenset[bytes] = frozenset()
        self._running: set[asyncio.Task[Any]] = set()

    def is_doomed(self, key: StoredOprfKey) -> bool:
        """Whether it is too late to register this key."""
        return key.is_resident and key.public_key in self._doomed

    def let_go(self, keys: Sequence[StoredOprfKey]) -> None:
        """Destroy those of the keys that are resident, soon."""
        for key in keys:
            if key.is_resident:
                task = asyncio.create_task(self._destroy(key.public_key))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def look(self, ledger: Ledger) -> None:
        """Compare the token's keys with the records; destroy what is doomed and still unnamed.

        Raises:
            TokenUnavailable, StoreError, RollbackDetected: the look could not be finished; nothing
                is lost by that.
        """
        there = frozenset((await self._token.run(ListOprfKeys())).public_keys)
        self._doomed |= self._unnamed & there
        unnamed = there - await _named(ledger) if there else there
        for public_key in self._doomed & unnamed:
            await self._destroy(public_key)
        self._doomed &= unnamed
        self._unnamed = unnamed

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._running:
            await asyncio.wait(self._running)

    async def _destroy(self, public_key: bytes) -> None:
        try:
            await self._token.run(DestroyOprfKey(public_key))
        except TokenUnavailable as error:
            log.warning("a key stays in the token for now", problem=str(error))


async def _named(ledger: Ledger) -> frozenset[bytes]:
    """The public keys of all resident keys that a record names."""
    found: set[bytes] = set()
    for bucket in ledger.occupied_buckets():
        for record in (await ledger.read_bucket(bucket)).values():
            state = record.state
            if isinstance(state, Active) and state.oprf_key.is_resident:
                found.add(state.oprf_key.public_key)
    return frozenset(found)
