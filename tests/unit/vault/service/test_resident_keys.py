"""Keys that rest in the token are destroyed when no record needs them, and never before."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import active

from strongroom_vault.errors import HsmUnavailable, Overloaded, RollbackDetected
from strongroom_vault.hsm.jobs import DestroyOprfKey, OprfKeys
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records import policy, registration
from strongroom_vault.records.record import Active, Record, StoredOprfKey
from strongroom_vault.service import resident_keys
from strongroom_vault.service.resident_keys import ResidentKeys
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ALICE = b"a" * 32


def public_key(number: int) -> bytes:
    return b"\x02" + bytes([number]) * 32


class Token:
    """A token's list of resident keys, which is all of a token that these tests are about."""

    def __init__(self) -> None:
        self.there: list[bytes] = []
        self.fails = False

    async def run(self, job: Any) -> Any:
        if self.fails:
            raise HsmUnavailable("gone", 1.0)
        if isinstance(job, DestroyOprfKey):
            self.there.remove(job.public_key)
        return OprfKeys(tuple(self.there))


class World:
    def __init__(self, store: SqliteStore, anchor: MemoryAnchor) -> None:
        self.token = Token()
        self.anchor = anchor
        self.residents = ResidentKeys(self.token)
        self.ledger = Ledger(store, anchor, KEYS, VAULT_ID, self.residents.destroy_dropped)

    async def register(self, number: int | None) -> None:
        """Alice registers a resident key, or one that is none."""
        key = active(0).state
        assert isinstance(key, Active)

        def decide(record: Record) -> policy.Decision[object]:
            stored = StoredOprfKey(b"w" * 33, b"wrapped")
            if number is not None:
                stored = StoredOprfKey(public_key(number), None)
            fields = {name: getattr(key, name) for name in key.__slots__}
            new = Active(**{**fields, "oprf_key": stored, "key_id": bytes([number or 0]) * 16})
            return registration.register(record, record.generation, new)

        await self.ledger.change(ALICE, decide)
        await self.residents.drain()

    async def reconcile(self) -> list[bytes]:
        await self.residents.reconcile(self.ledger)
        return self.token.there


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    anchor = make_store(tmp_path / "vault.db")
    store = SqliteStore(tmp_path / "vault.db", VAULT_ID)
    world = World(store, anchor)
    await world.ledger.start()
    yield world
    await world.residents.drain()
    await world.ledger.close()
    store.close()


async def test_a_replaced_key_is_destroyed_at_once(world: World) -> None:
    world.token.there = [public_key(1), public_key(2)]
    await world.register(1)
    await world.register(2)
    assert world.token.there == [public_key(2)]
    await world.register(None)
    assert world.token.there == []


async def test_a_deleted_key_is_destroyed_at_once(world: World) -> None:
    world.token.there = [public_key(1)]
    await world.register(1)
    await world.ledger.change(ALICE, lambda record: policy.delete(record, 5))
    await world.residents.drain()
    assert world.token.there == []


async def test_nothing_is_destroyed_before_the_anchor_knows(world: World) -> None:
    world.token.there = [public_key(1)]
    await world.register(1)
    world.anchor.fails = True
    with pytest.raises(HsmUnavailable):
        await world.ledger.change(ALICE, lambda record: policy.delete(record, 5))
    await world.residents.drain()
    assert world.token.there == [public_key(1)]
    world.anchor.fails = False
    await world.ledger.change(ALICE, lambda record: policy.Decision(record, outcome=None))
    await world.residents.drain()
    assert world.token.there == []


async def test_two_looks_destroy_what_no_record_names(world: World) -> None:
    world.token.there = [public_key(1), public_key(9)]
    await world.register(1)
    assert await world.reconcile() == [public_key(1), public_key(9)]
    assert await world.reconcile() == [public_key(1)]
    assert await world.reconcile() == [public_key(1)]


async def test_a_key_registered_between_two_looks_stays(world: World) -> None:
    world.token.there = [public_key(1)]
    assert await world.reconcile() == [public_key(1)]
    await world.register(1)
    for _ in range(3):
        assert await world.reconcile() == [public_key(1)]
    assert not world.residents.is_late(StoredOprfKey(public_key(1), None), 1)


async def test_a_doomed_key_cannot_be_registered(world: World) -> None:
    world.token.there = [public_key(1)]
    await world.reconcile()
    stored = StoredOprfKey(public_key(1), None)
    assert not world.residents.is_late(stored, 1)
    world.token.fails = True
    with pytest.raises(HsmUnavailable):
        await world.reconcile()
    assert not world.residents.is_late(stored, 1)
    world.token.fails = False
    seen: list[bool] = []
    destroy = world.residents._destroy

    async def asked_while_destroyed(name: bytes) -> None:
        seen.append(world.residents.is_late(stored, 1))
        await destroy(name)

    world.residents._destroy = asked_while_destroyed  # type: ignore[method-assign,assignment]
    assert await world.reconcile() == []
    assert seen == [True]


async def test_an_orphaned_key_is_marked_before_the_records_are_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registered in between, it would be destroyed with its record there."""
    world.token.there = [public_key(1)]
    await world.reconcile()
    late: list[bool] = []
    occupied_buckets = Ledger.occupied_buckets

    def is_late_now(ledger: Ledger) -> list[int]:
        late.append(world.residents.is_late(StoredOprfKey(public_key(1), None), 1))
        return occupied_buckets(ledger)

    monkeypatch.setattr(Ledger, "occupied_buckets", is_late_now)
    assert await world.reconcile() == []
    assert late == [True]


async def test_a_stopped_ledger_destroys_nothing(world: World) -> None:
    """A ledger that shows nothing says nothing about which keys are needed."""
    world.token.there = [public_key(1)]
    await world.register(1)
    world.ledger._journal.stop("an older database")
    for _ in range(3):
        with pytest.raises(RollbackDetected):
            await world.reconcile()
    assert world.token.there == [public_key(1)]


class TestUnfinished:
    """Registrations that began: the oldest make room, and whoever is in time may finish."""

    async def begin(self, world: World, number: int, account: bytes = ALICE) -> StoredOprfKey:
        key = StoredOprfKey(public_key(number), None)
        async with world.residents.room(world.ledger, account):
            world.token.there.append(key.public_key)
            world.residents.began(account, key, 1000 + number)
        return key

    async def test_an_account_has_a_few(self, world: World) -> None:
        keys = [await self.begin(world, number) for number in range(10)]
        newest = keys[-resident_keys.UNFINISHED_PER_ACCOUNT :]
        assert world.token.there == [key.public_key for key in newest]
        late = [world.residents.is_late(key, 1000 + number) for number, key in enumerate(keys)]
        assert late == [True] * 6 + [False] * 4

    async def test_many_at_once_are_no_more(self, world: World) -> None:
        await asyncio.gather(*(self.begin(world, number) for number in range(30)))
        assert len(world.token.there) == resident_keys.UNFINISHED_PER_ACCOUNT

    async def test_one_that_waits_too_long_for_its_turn_is_refused(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resident_keys, "TURN_TIMEOUT_S", 0.01)
        async with world.residents.room(world.ledger, ALICE):
            with pytest.raises(Overloaded):
                await self.begin(world, 1)
            await self.begin(world, 2, b"b" * 32)
        await self.begin(world, 3)
        assert world.token.there == [public_key(2), public_key(3)]

    async def test_all_accounts_have_some(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resident_keys, "UNFINISHED", 6)
        for number in range(20):
            await self.begin(world, number, bytes([number]) * 32)
        assert world.token.there == [public_key(number) for number in range(14, 20)]

    async def test_one_that_is_being_finished_stays(self, world: World) -> None:
        """The record names it already; only nobody has come to note that."""
        first = await self.begin(world, 0)
        await world.register(0)
        for number in range(1, 10):
            await self.begin(world, number)
        assert first.public_key in world.token.there
        world.residents.finished(first)

    async def test_one_that_was_finished_takes_no_room(self, world: World) -> None:
        for number in range(3):
            key = await self.begin(world, number)
            await world.register(number)
            world.residents.finished(key)
        older = [await self.begin(world, number) for number in range(3, 7)]
        assert not any(world.residents.is_late(key, 1) for key in older)

    async def test_what_cannot_be_destroyed_is_doomed_and_lets_no_other_begin(
        self, world: World
    ) -> None:
        keys = [await self.begin(world, number) for number in range(4)]
        world.token.fails = True
        for _ in range(2):
            with pytest.raises(HsmUnavailable):
                await self.begin(world, 4)
            assert world.residents.is_late(keys[0], 1000)
        world.token.fails = False
        await self.begin(world, 4)
        assert world.token.there == [public_key(number) for number in range(1, 5)]
        assert world.residents.is_late(keys[0], 1000)

    async def test_one_from_before_a_restart_may_be_finished(self, world: World) -> None:
        """Unless some were evicted since, of which it may be one."""
        earlier = StoredOprfKey(public_key(99), None)
        assert not world.residents.is_late(earlier, 1005)
        for number in range(9):
            await self.begin(world, number)
        assert world.residents.is_late(earlier, 1004)
        assert not world.residents.is_late(earlier, 1005)

    def test_a_wrapped_key_is_never_late(self, world: World) -> None:
        assert not world.residents.is_late(StoredOprfKey(b"w" * 33, b"wrapped"), 0)
