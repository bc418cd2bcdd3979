"""What an account or an operator does with a key besides recovering it: deletion and the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from services import LIMIT, guess

from strongroom_protocol import labels
from strongroom_vault.errors import NoKey
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records.record import Destroyed
from strongroom_vault.service.answers import ActiveKey
from strongroom_vault.store.interface import bucket_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from services import World

    from strongroom_vault.records.record import Record


async def bucket_of_alice(world: World) -> int:
    record_id, _ = await world.service.keys.show("alice")
    return bucket_of(record_id)


async def test_the_sweep_destroys_without_a_touch(world: World) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    swept = [await world.service.keys.sweep_bucket(bucket) for bucket in range(2**16)]
    assert sum(swept) == 1
    assert isinstance(await world.service.keys.get("alice"), Destroyed)
    assert await world.service.keys.sweep_bucket(await bucket_of_alice(world)) == 0


async def test_a_key_registered_after_the_sweep_has_read_its_bucket_stays(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    bucket = await bucket_of_alice(world)
    read_bucket = Ledger.read_bucket

    async def read_then_register(ledger: Ledger, number: int) -> Mapping[bytes, Record]:
        records = await read_bucket(ledger, number)
        await world.register()
        return records

    monkeypatch.setattr(Ledger, "read_bucket", read_then_register)
    assert await world.service.keys.sweep_bucket(bucket) == 0
    assert isinstance(await world.service.keys.get("alice"), ActiveKey)


async def test_deleting(world: World) -> None:
    with pytest.raises(NoKey):
        await world.service.keys.delete("alice")
    await world.register()
    await world.service.keys.delete("alice")
    assert await world.service.keys.get("alice") is None
