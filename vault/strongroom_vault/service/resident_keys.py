"""OPRF keys that rest in the token: destroyed there once no record needs them.

A key is destroyed right after the commit that let it go.

A registration that began and has not been finished has a key in the token that no record names. Of
these there are a few for each account and some in all: before more begin, the oldest are destroyed.
What a crash left behind, a look at the whole token finds. Two looks lie further apart than a
registration may take. A key that no record named in the last look is doomed by the next.

The order is the same for both: the key is doomed, so that it cannot be registered any more; then
the ledger is asked, which decides one thing after the other; and a key that no record names is
destroyed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

import structlog

from strongroom_vault.errors import HsmUnavailable, Overloaded
from strongroom_vault.hsm.jobs import DestroyOprfKey, ListOprfKeys
from strongroom_vault.records import policy
from strongroom_vault.records.record import Active

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from strongroom_vault.hsm.jobs import RunsJobs
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.records.record import Record, StoredOprfKey

log = structlog.get_logger()

RECONCILE_PERIOD_S: Final = 900
"""Seconds between two looks: more than the 600 that a registration state lives."""
UNFINISHED_PER_ACCOUNT: Final = 4
"""Registrations of an account that may be finished: one for each device that begins at once."""
UNFINISHED: Final = 256
"""In all. Where clients stretch for a second, so many registrations a second are let finish."""
PATIENCE_S: Final = 10.0
"""So long a registration waits for its turn among those of its account."""
RETRY_AFTER: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Unfinished:
    """Whose registration it is (a record id), and how long its state lives, in ms."""

    record_id: bytes
    expires_at: int


class ResidentKeys:
    """Destroys what nobody needs. Owned by one event loop; the ledger's thread asks `is_late`."""

    def __init__(self, token: RunsJobs) -> None:
        self._token = token
        self._unfinished: dict[bytes, _Unfinished] = {}  # the oldest first
        self._evicted: dict[bytes, _Unfinished] = {}  # until they are destroyed
        self._to_destroy: deque[bytes] = deque()
        self._evicted_until = 0
        self._beginning: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._unreferenced: frozenset[bytes] = frozenset()
        self._orphaned: frozenset[bytes] = frozenset()
        self._running: set[asyncio.Task[Any]] = set()

    def is_late(self, key: StoredOprfKey, expires_at: int) -> bool:
        """Whether it is too late to register this key, whose state lives until `expires_at` (ms).

        A key that this vault does not know was made before it started, or was evicted. What was
        evicted is not remembered one by one: no other key lives longer than the last of them.
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

        One after the other, so that an account that begins many has one call of the token at once.

        Raises:
            Overloaded: others of the account began before it, and take long.
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
        """Note a registration that may be finished until `expires_at` (ms)."""
        if key.is_resident:
            self._unfinished[key.public_key] = _Unfinished(record_id, expires_at)

    def finished(self, key: StoredOprfKey) -> None:
        """Note that a record names the key now."""
        self._unfinished.pop(key.public_key, None)

    def _evict(self, names: Sequence[bytes], most: int) -> None:
        """Doom the first of `names`, so that with one more there are `most`."""
        for name in names[: max(0, len(names) + 1 - most)]:
            self._evicted[name] = self._unfinished[name]  # first: the ledger's thread may look
            del self._unfinished[name]
            self._to_destroy.append(name)

    async def _destroy_evicted(self, ledger: Ledger) -> None:
        """Destroy what is evicted; whatever fails is left to whoever comes next."""
        while self._to_destroy:
            name = self._to_destroy.popleft()
            one = self._evicted[name]
            try:
                if not await _is_referenced(ledger, one.record_id, name):
                    await self._token.run(DestroyOprfKey(name))
                self._evicted_until = max(self._evicted_until, one.expires_at)
                del self._evicted[name]
            finally:
                if name in self._evicted:
                    self._to_destroy.append(name)

    def destroy_dropped(self, keys: Sequence[StoredOprfKey]) -> None:
        """Destroy those of the keys that are resident, soon."""
        for key in keys:
            if key.is_resident:
                task = asyncio.create_task(self._destroy(key.public_key))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def reconcile(self, ledger: Ledger) -> None:
        """Compare the token's keys with the records; destroy what is doomed and still unnamed.

        Raises:
            HsmUnavailable, StoreError, RollbackDetected: the look could not be finished; nothing
                is lost by that.
        """
        there = frozenset((await self._token.run(ListOprfKeys())).public_keys)
        self._orphaned |= self._unreferenced & there
        unreferenced = there - await _referenced(ledger) if there else there
        for public_key in self._orphaned & unreferenced:
            await self._destroy(public_key)
        self._orphaned &= unreferenced
        self._unreferenced = unreferenced

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._running:
            await asyncio.wait(self._running)

    async def _destroy(self, public_key: bytes) -> None:
        try:
            await self._token.run(DestroyOprfKey(public_key))
        except HsmUnavailable as error:
            log.warning("a key stays in the token for now", problem=str(error))


async def _referenced(ledger: Ledger) -> frozenset[bytes]:
    """The public keys of all resident keys that a record names."""
    found: set[bytes] = set()
    for bucket in ledger.occupied_buckets():
        for record in (await ledger.read_bucket(bucket)).values():
            state = record.state
            if isinstance(state, Active) and state.oprf_key.is_resident:
                found.add(state.oprf_key.public_key)
    return frozenset(found)


async def _is_referenced(ledger: Ledger, record_id: bytes, public_key: bytes) -> bool:
    """Whether an account's record names a resident key, after all that was decided before."""

    def decide(record: Record) -> policy.Decision[bool]:
        state = record.state
        is_named = isinstance(state, Active) and state.oprf_key.public_key == public_key
        return policy.Decision(record, is_named)

    return await ledger.change(record_id, decide)
