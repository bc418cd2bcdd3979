"""The server: what it answers to a KE1, and which KE3 it believes."""

from __future__ import annotations

import os

import pytest
from opaque_world import IDENTITIES, PASSWORD, World

from strongroom_protocol.opaque import client, server
from strongroom_protocol.opaque.errors import ClientAuthenticationError
from strongroom_protocol.opaque.ksf import identity
from strongroom_protocol.opaque.messages import KE3, RegistrationRequest


def test_a_registration_is_answered_by_its_own_key() -> None:
    world = World()
    request, _ = client.create_registration_request(PASSWORD)
    response = server.create_registration_response(
        request, world.server_key.public_key, world.oprf_key
    )
    assert response.evaluated_message == world.oprf_key.evaluate(request.blinded_message)
    assert response.server_public_key == world.server_key.public_key
    again = server.create_registration_response(
        RegistrationRequest(request.blinded_message), world.server_key.public_key, World().oprf_key
    )
    assert again.evaluated_message != response.evaluated_message


def test_a_repeated_ke1_can_be_finished_with_either_answer() -> None:
    """A lost KE2 is asked for again with the same KE1 (docs/protocol.md 6.7)."""
    world = World()
    ke1, session = client.generate_ke1(PASSWORD)
    answers = [world.answer(ke1) for _ in range(2)]
    for ke2, expected in answers:
        ke3, result = client.generate_ke3(session, ke2, IDENTITIES, identity)
        server.finish(expected.client_mac, ke3)
        assert result.export_key == world.export_key


def test_a_wrong_ke3_is_refused() -> None:
    _, expected = World().answer(client.generate_ke1(PASSWORD)[0])
    for mac in (bytes(32), os.urandom(32), expected.session_key):
        with pytest.raises(ClientAuthenticationError):
            server.finish(expected.client_mac, KE3(mac))
