"""All use cases put together: a whole life of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from services import IDENTITIES, LIMIT, QUICK, SEALED, guess

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import KE2

if TYPE_CHECKING:
    from services import World


async def test_a_whole_life(world: World) -> None:
    export_key = await world.register()
    ke1, session = guess(b"right")
    started = await world.start(ke1)
    assert started.attempts_left == LIMIT - 1
    ke3, result = client.generate_ke3(session, KE2.decode(started.ke2), IDENTITIES, QUICK)
    assert result.export_key == export_key
    assert await world.service.recovery.finish("alice", started.state, ke3.encode()) == SEALED
    assert await world.left() == LIMIT
