"""OPRF keys that stay in the token: destroyed there once no record needs them.

A key is no longer needed in three cases, and each is handled in its own way:

- A commit drops it from a record: it is destroyed right after that commit is anchored.
- Its registration is never finished. An account may have a few unfinished registrations, and all
  accounts together some more: before another begins, the oldest are evicted.
- A crash came in between: `reconcile` compares the whole token with all records. A key that no
  record references is unreferenced; if it still is at the next reconciliation, it is orphaned. The
  two are further apart than a registration state lives, so it can no longer be registered.

Evicted and orphaned keys are destroyed in the same three steps: mark the key, ask the ledger
whether a record references it, destroy it if none does.
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
"""Of all accounts. If stretching takes a client a second, so many a second can finish."""
TURN_TIMEOUT_S: Final = 10.0
"""How long a registration waits for its turn among those of its account."""
RETRY_AFTER: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """A registration: its account's record id, and when its state expires, in ms."""

    record_id: bytes
    expires_at: int


class ResidentKeys:
    """Destroys resident keys that no record needs.

    Owned by one event loop; only `is_late` is called by the ledger's thread.
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
        """Whether it is too late to register this key; its state lives until `expires_at` (ms)."""
        name = key.public_key
        if not key.is_resident:
            return False
        if name in self._orphaned or name in self._evicted:
            return True
        # A key that this vault does not know was made before it started, or was evicted and
        # destroyed. Those are not remembered one by one, only when the last of them would have
        # expired: no unknown key that expires later is among them.
        return name not in self._unfinished and expires_at <= self._evicted_until

    @asynccontextmanager
    async def room(self, ledger: Ledger, record_id: bytes) -> AsyncIterator[None]:
        """Let one registration of an account begin in the block; the oldest make room for it.

        Raises:
            Overloaded: its turn did not come in time.
            HsmUnavailable, StoreUnavailable, RollbackDetected: the oldest cannot be destroyed, so
                no other may begin.
        """
        # An account's registrations begin one after the other, so that whoever begins many keeps no
        # more than one token worker busy. The lock goes with its last holder: accounts that come
        # once leave nothing behind.
        turn = self._beginning.setdefault(record_id, asyncio.Lock())
        try:
            async with asyncio.timeout(TURN_TIMEOUT_S):
                await turn.acquire()
        except TimeoutError as error:
            raise Overloaded(
                "other registrations of this account are beginning", RETRY_AFTER
            ) from error
        try:
            # Before the new key is made, and the account's own first: whoever begins many evicts
            # theirs before anybody else's.
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
            # 1. Mark the key, so that `is_late` refuses its registration from now on. Marked before
            #    it is taken off the unfinished ones, because the ledger's thread reads both: in
            #    between it would be an unknown key, which may be registered.
            self._evicted[name] = self._unfinished[name]
            del self._unfinished[name]
            self._to_destroy.append(name)

    async def _destroy_evicted(self, ledger: Ledger) -> None:
        """Destroy what is evicted; what fails is left to the next registration."""
        while self._to_destroy:
            name = self._to_destroy.popleft()
            evicted = self._evicted[name]
            try:
                # 2. Ask the ledger whether a record references it. It decides one change after the
                #    other, so it sees what was let through before the key was marked. Asked before
                #    that, it could say no and register the key right after, and the destruction
                #    would cost the owner their backup.
                if not await _is_referenced(ledger, evicted.record_id, name):
                    await self._token.run(DestroyOprfKey(name))  # 3. Destroy it if none does.
                # This before the mark goes: without either, `is_late` would let the key be
                # registered that is gone.
                self._evicted_until = max(self._evicted_until, evicted.expires_at)
                del self._evicted[name]
            finally:
                # Still marked: it was not destroyed, or nobody knows.
                if name in self._evicted:
                    self._to_destroy.append(name)

    def destroy_dropped(self, keys: Sequence[StoredOprfKey]) -> None:
        """Destroy those of the keys that are resident, soon."""
        # In tasks: the ledger's writer, which calls this, must not wait for the token. What fails
        # is left to `reconcile`.
        for key in keys:
            if key.is_resident:
                self._destroying.start(self._destroy(key.public_key))

    async def reconcile(self, ledger: Ledger) -> None:
        """Compare the token's keys with the records; destroy what is orphaned.

        Raises:
            HsmUnavailable, StoreError, RollbackDetected: it could not be completed. Nothing is lost
                by that, and the next one continues.
        """
        # The token before the records: a key that is made meanwhile is not in its list, and cannot
        # look as if nobody needed it.
        resident = frozenset((await self._token.run(ListOprfKeys())).public_keys)
        # Mark, ask, destroy, as in `_evict` and `_destroy_evicted`.
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
