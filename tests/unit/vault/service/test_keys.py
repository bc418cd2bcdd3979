"""What is asked about a key beside registration and recovery: deletion and the sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from services import LIMIT, guess

from strongroom_protocol import labels
from strongroom_vault.errors import NoKey

if TYPE_CHECKING:
    from services import World


async def test_the_sweep_destroys_without_a_touch(world: World) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    swept = [await world.service.keys.sweep_bucket(bucket) for bucket in range(2**16)]
    assert sum(swept) == 1


async def test_deleting(world: World) -> None:
    with pytest.raises(NoKey):
        await world.service.keys.delete("alice")
    await world.register()
    await world.service.keys.delete("alice")
    assert await world.service.keys.get("alice") is None
