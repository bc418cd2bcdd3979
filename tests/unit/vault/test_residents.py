"""Keys that rest in the token are destroyed when no record needs them, and never before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, MemoryAnchor, make_store
from records import active

from strongroom_vault import policy
from strongroom_vault.errors import RollbackDetected, TokenUnavailable
from strongroom_vault.hsm.jobs import DestroyOprfKey, ListOprfKeys, OprfKeys
from strongroom_vault.ledger import Ledger
from strongroom_vault.record import Active, Record, StoredOprfKey
from strongroom_vault.residents import ResidentKeys
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

    async def run(self, job: DestroyOprfKey | ListOprfKeys) -> OprfKeys:
        if self.fails:
            raise TokenUnavailable("gone", 1.0)
        if isinstance(job, DestroyOprfKey):
            self.there.remove(job.public_key)
        return OprfKeys(tuple(self.there))


class World:
    def __init__(self, store: SqliteStore, anchor: MemoryAnchor) -> None:
        self.token = Token()
        self.anchor = anchor
        self.residents = ResidentKeys(self.token)
        self.ledger = Ledger(store, anchor, KEYS, VAULT_ID, self.residents.let_go)

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
            return policy.register(record, record.generation, new)

        await self.ledger.change(ALICE, decide)
        await self.residents.drain()

    async def look(self) -> list[bytes]:
        await self.residents.look(self.ledger)
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
    with pytest.raises(TokenUnavailable):
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
    assert await world.look() == [public_key(1), public_key(9)]
    assert await world.look() == [public_key(1)]
    assert await world.look() == [public_key(1)]


async def test_a_key_registered_between_two_looks_stays(world: World) -> None:
    world.token.there = [public_key(1)]
    assert await world.look() == [public_key(1)]
    await world.register(1)
    for _ in range(3):
        assert await world.look() == [public_key(1)]
    assert not world.residents.is_doomed(StoredOprfKey(public_key(1), None))


async def test_a_doomed_key_cannot_be_registered(world: World) -> None:
    world.token.there = [public_key(1)]
    await world.look()
    stored = StoredOprfKey(public_key(1), None)
    assert not world.residents.is_doomed(stored)
    world.token.fails = True
    with pytest.raises(TokenUnavailable):
        await world.look()
    assert not world.residents.is_doomed(stored)
    world.token.fails = False
    seen: list[bool] = []
    destroy = world.residents._destroy

    async def asked_while_destroyed(name: bytes) -> None:
        seen.append(world.residents.is_doomed(stored))
        await destroy(name)

    world.residents._destroy = asked_while_destroyed  # type: ignore[method-assign,assignment]
    assert await world.look() == []
    assert seen == [True]


async def test_a_stopped_ledger_destroys_nothing(world: World) -> None:
    """A ledger that shows nothing says nothing about which keys are needed."""
    world.token.there = [public_key(1)]
    await world.register(1)
    world.ledger.rollback = "an older database"
    for _ in range(3):
        with pytest.raises(RollbackDetected):
            await world.look()
    assert world.token.there == [public_key(1)]
