"""OPRF keys that rest in the token: destroyed there once no record needs them.

A key becomes garbage in three ways, and each has its own collector:

- A commit drops it from a record: it is destroyed right after that commit is anchored.
- Its registration is never finished. An account may have a few unfinished registrations, and all
  accounts together some more: before another begins, the oldest are evicted.
- A crash came in between: `reconcile` compares the whole token with all records. A key that no
  record references is unreferenced; if it still is at the next reconciliation, it is orphaned. The
  two are further apart than a registration state lives, so it can no longer be registered.

An evicted and an orphaned key is destroyed in the same order, and it must be this one:

1. Mark the key, so that `is_late` refuses its registration from now on.
2. Ask the ledger whether a record references it. The ledger decides one change after the other, so
   what was let through before step 1 is visible to step 2. Asked before the key is marked, it could
   answer "no" and register the key right after: its owner's backup would be lost.
3. Destroy it in the token if no record references it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import structlog

from strongroom_vault.errors import HsmUnavailable, Overloaded
from strongroom_vault.hsm.jobs import DestroyOprfKey, ListOprfKeys
from strongroom_vault.platform.tasks import TaskGroup
from strongroom_vault.records import policy
from strongroom_vault.records.record import Active

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from strongroom_vault.hsm.jobs import RunsJobs
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.records.record import Record, StoredOprfKey

log = structlog.get_logger()

RECONCILE_PERIOD_S: Final = 900
"""Seconds between two reconciliations: more than the 600 that a registration state lives."""
UNFINISHED_PER_ACCOUNT: Final = 4
"""Unfinished registrations of one account: one for each device that begins at the same time."""
UNFINISHED: Final = 256
"""Of all accounts. If clients stretch for a second, this many registrations a second can finish."""
PATIENCE_S: Final = 10.0
"""How long a registration waits for its turn among those of its account."""
RETRY_AFTER: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A registration: its account's record id, and when its state expires, in ms."""

    record_id: bytes
    expires_at: int


class ResidentKeys:
    """Destroys resident keys that no record needs.

    Owned by one event loop, but for `is_late`, which the ledger's thread calls. A key is therefore
    marked before it is taken off the unfinished ones. A registration that is decided in between
    is let through, and step 2 finds its record.
    """

    def __init__(self, token: RunsJobs) -> None:
        self._token = token
        self._unfinished: dict[bytes, _Unfinished] = {}  # by public key, oldest first
        self._evicted: dict[bytes, _Unfinished] = {}  # until they are destroyed
        self._to_destroy: deque[bytes] = deque()
        self._evicted_until = 0
        self._beginning: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._unreferenced: frozenset[bytes] = frozenset()
        self._orphaned: frozenset[bytes] = frozenset()
        self._destroying = TaskGroup("resident keys")

    def is_late(self, key: StoredOprfKey, expires_at: int) -> bool:
        """Whether it is too late to register this key, whose state lives until `expires_at` (ms).

        A key that this vault does not know was made before it started, or was evicted. Keys that
        were evicted and destroyed are not remembered one by one, only when the last of them would
        have expired: no unknown key that expires later is among them.
        """
        name = key.public_key
        if not key.is_resident:
            return False
        if name in self._orphaned or name in self._evicted:
            return True
        return name not in self._unfinished and expires_at <= self._evicted_until

    @asynccontextmanager
    async def room(self, ledger: Ledger, record_id: bytes) -> AsyncIterator[None]:
        """Let one registration of an account begin in the block; the oldest make room for it.

        An account's registrations begin one after the other, so that one that begins many keeps no
        more than one token worker busy.

        Raises:
            Overloaded: its turn did not come in time.
            HsmUnavailable, StoreUnavailable, RollbackDetected: the oldest cannot be destroyed, so
                no other may begin.
        """
        turn = self._beginning.setdefault(record_id, asyncio.Lock())
        try:
            async with asyncio.timeout(PATIENCE_S):
                await turn.acquire()
        except TimeoutError as error:
            raise Overloaded("other registrations of this account begin", RETRY_AFTER) from error
        try:
            self._evict(
                [name for name, one in self._unfinished.items() if one.record_id == record_id],
                UNFINISHED_PER_ACCOUNT,
            )
            self._evict(list(self._unfinished), UNFINISHED)
            await self._destroy_evicted(ledger)
            yield
        finally:
            turn.release()

    def began(self, record_id: bytes, key: StoredOprfKey, expires_at: int) -> None:
        """Remember a registration that may be finished until `expires_at` (ms)."""
        if key.is_resident:
            self._unfinished[key.public_key] = _Unfinished(record_id, expires_at)

    def finished(self, key: StoredOprfKey) -> None:
        """Remember that a record references the key now."""
        self._unfinished.pop(key.public_key, None)

    def _evict(self, names: Sequence[bytes], most: int) -> None:
        """Mark the first of `names`, so that with one more there are at most `most`."""
        for name in names[: max(0, len(names) + 1 - most)]:
            self._evicted[name] = self._unfinished[name]  # first: the ledger's thread reads both
            del self._unfinished[name]
            self._to_destroy.append(name)

    async def _destroy_evicted(self, ledger: Ledger) -> None:
        """Destroy what is evicted; what fails is left to the next registration."""
        while self._to_destroy:
            name = self._to_destroy.popleft()
            evicted = self._evicted[name]
            try:
                if not await _is_referenced(ledger, evicted.record_id, name):
                    await self._token.run(DestroyOprfKey(name))
                self._evicted_until = max(self._evicted_until, evicted.expires_at)
                del self._evicted[name]
            finally:
                if name in self._evicted:
                    self._to_destroy.append(name)

    def destroy_dropped(self, keys: Sequence[StoredOprfKey]) -> None:
        """Destroy those of the keys that are resident, soon."""
        for key in keys:
            if key.is_resident:
                self._destroying.start(self._destroy(key.public_key))

    async def reconcile(self, ledger: Ledger) -> None:
        """Compare the token's keys with the records; destroy what is orphaned.

        Raises:
            HsmUnavailable, StoreError, RollbackDetected: it could not be completed. Nothing is lost
                by that, and the next one continues.
        """
        resident = frozenset((await self._token.run(ListOprfKeys())).public_keys)
        self._orphaned |= self._unreferenced & resident
        unreferenced = resident - await _referenced(ledger) if resident else resident
        for public_key in self._orphaned & unreferenced:
            await self._destroy(public_key)
        self._orphaned &= unreferenced
        self._unreferenced = unreferenced

    async def drain(self) -> None:
        """Wait until what is being destroyed is destroyed, or has failed."""
        await self._destroying.drain()

    async def _destroy(self, public_key: bytes) -> None:
        try:
            await self._token.run(DestroyOprfKey(public_key))
        except HsmUnavailable as error:
            log.warning("a key stays in the token for now", problem=str(error))


async def _referenced(ledger: Ledger) -> frozenset[bytes]:
    """Return the public keys of all resident keys that a record references."""
    referenced: set[bytes] = set()
    for bucket in ledger.occupied_buckets():
        for record in (await ledger.read_bucket(bucket)).values():
            state = record.state
            if isinstance(state, Active) and state.oprf_key.is_resident:
                referenced.add(state.oprf_key.public_key)
    return frozenset(referenced)


async def _is_referenced(ledger: Ledger, record_id: bytes, public_key: bytes) -> bool:
    """Whether an account's record references a resident key, after all earlier changes."""

    def decide(record: Record) -> policy.Decision[bool]:
        state = record.state
        is_referenced = isinstance(state, Active) and state.oprf_key.public_key == public_key
        return policy.Decision(record, is_referenced)

    return await ledger.change(record_id, decide)
