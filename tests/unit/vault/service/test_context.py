"""States that clients carry: for one purpose, one account, and a limited time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from services import IDENTITIES, QUICK, SEALED, guess, proof

from strongroom_protocol import labels
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_vault.errors import Malformed, StateExpired

if TYPE_CHECKING:
    from services import World


async def test_states_expire(world: World) -> None:
    request, session = client.create_registration_request(b"right")
    registration = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(registration.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    finish = (registration.state, record.encode(), SEALED, 0)
    world.now += labels.REGISTRATION_STATE_LIFETIME_MS + 1
    with pytest.raises(StateExpired):
        await world.service.registration.finish("alice", *finish)
    world.now -= 1
    await world.service.registration.finish("alice", *finish)

    ke1, login = guess(b"right")
    started = await world.start(ke1)
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    with pytest.raises(StateExpired):
        await world.service.recovery.finish("alice", started.state, proof(login, started))
    again = await world.start(ke1)  # free, and its time begins anew
    assert again.attempts_left == started.attempts_left
    assert await world.service.recovery.finish("alice", again.state, proof(login, again)) == SEALED


async def test_states_are_for_one_purpose_and_one_account(world: World) -> None:
    await world.register()
    request, _ = client.create_registration_request(b"right")
    registration = await world.service.registration.start("alice", request.encode())
    ke1, session = guess(b"right")
    recovery = await world.start(ke1)
    record = b"\x02" + client.generate_ke1(b"x")[0].encode()[1:33] + bytes(96)
    for account, state in (("bob", registration.state), ("alice", recovery.state), ("alice", b"")):
        with pytest.raises(Malformed) as refused:
            await world.service.registration.finish(account, state, record, SEALED, 0)
        assert refused.value.field == "registration_state"
    for account, state in (("bob", recovery.state), ("alice", registration.state)):
        with pytest.raises(Malformed) as refused:
            await world.service.recovery.finish(account, state, proof(session, recovery))
        assert refused.value.field == "recovery_state"
