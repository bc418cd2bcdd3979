"""The client: what it sends, what it refuses to send, and what it learns from a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opaque_world import IDENTITIES, PASSWORD, World

from strongroom_protocol.opaque import client, oprf, server
from strongroom_protocol.opaque.errors import InvalidInput, WrongLength
from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.kdf import extract
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.ksf import identity

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element


def test_the_same_randomness_is_the_same_ke1() -> None:
    """A lost KE2 is asked for again with the same bytes (docs/protocol.md 6.7)."""
    ke1, session = client.generate_ke1(
        PASSWORD, blind=Scalar(7), nonce=b"n" * 32, keyshare_seed=b"s" * 32
    )
    assert ke1.credential_request.blinded_message == oprf.blind(PASSWORD, Scalar(7))
    assert ke1.auth_request.client_nonce == b"n" * 32
    keyshare = SoftwareAkeKey.derive(b"s" * 32).public_key
    assert ke1.auth_request.client_public_keyshare == keyshare
    assert session.ke1 == ke1


def test_the_randomized_password_is_of_the_output_and_of_what_it_stretches_to() -> None:
    evaluated = World().oprf_key.evaluate(oprf.blind(PASSWORD, Scalar(7)))
    output = oprf.finalize(PASSWORD, Scalar(7), evaluated)
    randomized = client.randomized_password(PASSWORD, Scalar(7), evaluated, lambda _: b"hard")
    assert randomized == extract(output + b"hard")


def test_nothing_repeats_between_two_logins() -> None:
    world = World()
    (ke1, _), (again, _) = client.generate_ke1(PASSWORD), client.generate_ke1(PASSWORD)
    assert ke1.credential_request != again.credential_request
    assert ke1.auth_request.client_nonce != again.auth_request.client_nonce
    assert ke1.auth_request.client_public_keyshare != again.auth_request.client_public_keyshare
    ke2, expected = world.answer(ke1)
    second, expected_again = world.answer(ke1)
    assert ke2.credential_response.evaluated_message == second.credential_response.evaluated_message
    assert ke2.credential_response.masked_response != second.credential_response.masked_response
    assert ke2.auth_response.server_nonce != second.auth_response.server_nonce
    assert expected.client_mac != expected_again.client_mac


def test_what_has_a_length_must_have_it() -> None:
    with pytest.raises(WrongLength):
        client.generate_ke1(PASSWORD, nonce=b"short")
    with pytest.raises(WrongLength):
        client.generate_ke1(PASSWORD, nonce=b"")
    request, session = client.create_registration_request(PASSWORD)
    world = World()
    response = server.create_registration_response(
        request, world.server_key.public_key, world.oprf_key
    )
    with pytest.raises(WrongLength):
        client.finalize_registration_request(
            session, response, IDENTITIES, identity, envelope_nonce=b""
        )


def test_too_long_inputs_are_refused() -> None:
    too_long = bytes(2**16)
    with pytest.raises(InvalidInput):
        client.create_registration_request(too_long)
    with pytest.raises(InvalidInput):
        client.generate_ke1(too_long)
    with pytest.raises(InvalidInput):
        World().answer(client.generate_ke1(PASSWORD)[0], context=too_long)


def test_a_result_names_the_server_key_so_that_it_can_be_pinned() -> None:
    world = World()
    public_key: Element = world.login()[0].server_public_key
    assert public_key == world.server_key.public_key
    assert public_key != World().login()[0].server_public_key
