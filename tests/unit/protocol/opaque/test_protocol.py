"""Whole lives: registration and login for every kind of identities, and what goes wrong in them.

What an attacker may change on the way is in `attack/test_opaque_tamper.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opaque_world import IDENTITIES, PASSWORD, World

from strongroom_protocol.opaque import client, credential_response, envelope, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import (
    ClientAuthenticationError,
    EnvelopeRecoveryError,
    InvalidInput,
    ServerAuthenticationError,
    WrongLength,
)
from strongroom_protocol.opaque.group import GENERATOR, Element, Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.ksf import Argon2id, identity
from strongroom_protocol.opaque.messages import KE3, Envelope

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Stretch

SOME_IDENTITIES = (
    Identities(),
    Identities(b"account", b"strongroom/v1/vault"),
    Identities(client=b"account"),
    Identities(server=b"strongroom/v1/vault"),
    Identities(b"a" * (2**16 - 1), b"\x00"),
)


@pytest.mark.parametrize("identities", SOME_IDENTITIES)
@pytest.mark.parametrize("stretch", [identity, Argon2id(64, 1, 1)])
def test_a_life(identities: Identities, stretch: Stretch) -> None:
    world = World(identities=identities, stretch=stretch)
    for _ in range(2):
        result, session_key = world.login()
        assert result.session_key == session_key
        assert result.export_key == world.export_key
        assert result.server_public_key == world.server_key.public_key


@given(st.binary(max_size=100))
def test_any_password(password: bytes) -> None:
    world = World(password=password)
    assert world.login()[0].export_key == world.export_key


@given(st.binary(max_size=100).filter(lambda guess: guess != PASSWORD))
def test_any_other_password_is_wrong(guess: bytes) -> None:
    with pytest.raises(EnvelopeRecoveryError):
        World().login(guess)


def test_nothing_repeats_between_two_lives() -> None:
    """Same password, account and vault: only the server's public key is the same."""
    one, two = World(), World()
    assert one.export_key != two.export_key
    assert one.record.encode() != two.record.encode()
    assert one.record.envelope.nonce != two.record.envelope.nonce
    keys = {one.login()[1], one.login()[1], two.login()[1]}
    assert len(keys) == 3


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


def test_a_repeated_ke1_can_be_finished_with_either_answer() -> None:
    """A lost KE2 is asked for again with the same KE1 (docs/protocol.md 6.7)."""
    world = World()
    ke1, session = client.generate_ke1(PASSWORD)
    answers = [world.answer(ke1) for _ in range(2)]
    for ke2, expected in answers:
        ke3, result = client.generate_ke3(session, ke2, IDENTITIES, identity)
        server.finish(expected.client_mac, ke3)
        assert result.export_key == world.export_key


def test_the_context_is_part_of_the_transcript() -> None:
    world = World()
    ke1, session = client.generate_ke1(PASSWORD)
    ke2, expected = world.answer(ke1, context=b"one")
    with pytest.raises(ServerAuthenticationError):
        client.generate_ke3(session, ke2, IDENTITIES, identity, context=b"two")
    ke3, _ = client.generate_ke3(session, ke2, IDENTITIES, identity, context=b"one")
    server.finish(expected.client_mac, ke3)


def test_a_wrong_ke3_is_refused() -> None:
    _, expected = World().answer(client.generate_ke1(PASSWORD)[0])
    for mac in (bytes(32), os.urandom(32), expected.session_key):
        with pytest.raises(ClientAuthenticationError):
            server.finish(expected.client_mac, KE3(mac))


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


@pytest.mark.parametrize("wrong", [b"", bytes(2**16)])
def test_identities_have_a_size(wrong: bytes) -> None:
    with pytest.raises(InvalidInput):
        Identities(client=wrong)
    with pytest.raises(InvalidInput):
        Identities(server=wrong)


# Envelope and mask by themselves

RANDOMIZED = bytes(range(32))
SERVER = SoftwareAkeKey.derive(b"s" * 32).public_key


def test_envelope_opens_for_the_same_values_only() -> None:
    sealed, stored = envelope.store(RANDOMIZED, SERVER, IDENTITIES, bytes(32))
    opened = envelope.recover(RANDOMIZED, SERVER, sealed, IDENTITIES)
    assert opened.export_key == stored.export_key
    assert opened.masking_key == stored.masking_key
    assert opened.client_key.public_key == stored.client_key.public_key

    account, vault = IDENTITIES.client, IDENTITIES.server
    for other in (
        (RANDOMIZED[::-1], SERVER, sealed, IDENTITIES),
        (RANDOMIZED, GENERATOR, sealed, IDENTITIES),
        (RANDOMIZED, SERVER, Envelope(sealed.nonce, bytes(32)), IDENTITIES),
        (RANDOMIZED, SERVER, Envelope(bytes([1] * 32), sealed.auth_tag), IDENTITIES),
        (RANDOMIZED, SERVER, sealed, Identities(b"another", vault)),
        (RANDOMIZED, SERVER, sealed, Identities(account, b"another")),
        (RANDOMIZED, SERVER, sealed, Identities(vault, account)),
        (RANDOMIZED, SERVER, sealed, Identities(None, vault)),
        (RANDOMIZED, SERVER, sealed, Identities(account, None)),
    ):
        with pytest.raises(EnvelopeRecoveryError):
            envelope.recover(*other)


def test_envelope_keys_differ_from_each_other() -> None:
    sealed, stored = envelope.store(RANDOMIZED, SERVER, IDENTITIES, bytes(32))
    values = (sealed.auth_tag, stored.masking_key, stored.export_key, RANDOMIZED)
    assert len(set(values)) == len(values)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_mask_opens_with_its_key_and_nonce(masking_key: bytes, nonce: bytes) -> None:
    sealed = Envelope(bytes(32), bytes([7] * 32))
    masked = credential_response.mask(masking_key, nonce, SERVER, sealed)
    assert credential_response.unmask(masking_key, nonce, masked) == (SERVER, sealed)


def test_mask_of_another_key_does_not_open() -> None:
    """What comes out is random: most of the time no point, and never the values."""
    sealed = Envelope(bytes(32), bytes([7] * 32))
    masked = credential_response.mask(bytes(32), bytes(32), SERVER, sealed)
    refused = 0
    for number in range(1, 200):
        try:
            opened = credential_response.unmask(number.to_bytes(32, "big"), bytes(32), masked)
        except EnvelopeRecoveryError:
            refused += 1
        else:
            assert opened != (SERVER, sealed)
    assert refused > 180


def test_secrets_do_not_print() -> None:
    """No value of a session or result can be read from its repr."""
    password = b"correct horse battery staple"
    world = World(password=password)
    request, registration = client.create_registration_request(password, blind=Scalar(0xABCDEF))
    ke1, session = client.generate_ke1(password)
    ke2, expected = world.answer(ke1)
    ke3, result = client.generate_ke3(session, ke2, IDENTITIES, identity)
    _, credentials = envelope.store(RANDOMIZED, SERVER, IDENTITIES, bytes(32))
    shown = "\n".join(
        repr(value)
        for value in (
            request, registration, ke1, session, ke2, expected, ke3, result, credentials,
            world.record, server.Randomness(),
        )
    )  # fmt: skip
    for secret in (
        password, expected.client_mac, expected.session_key, result.export_key,
        world.record.masking_key, credentials.export_key, credentials.masking_key,
    ):  # fmt: skip
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert str(0xABCDEF) not in shown


def test_a_result_names_the_server_key_so_that_it_can_be_pinned() -> None:
    world = World()
    public_key: Element = world.login()[0].server_public_key
    assert public_key == world.server_key.public_key
    assert public_key != World().login()[0].server_public_key
