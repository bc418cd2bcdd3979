"""Whole lives: registration and login for every kind of identities, and what goes wrong in them.

What an attacker may change on the way is in `attack/test_opaque_tamper.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opaque_world import IDENTITIES, PASSWORD, World

from strongroom_protocol.opaque import client, envelope, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import EnvelopeRecoveryError, ServerAuthenticationError
from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.ksf import Argon2id, identity

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


def test_the_context_is_part_of_the_transcript() -> None:
    world = World()
    ke1, session = client.generate_ke1(PASSWORD)
    ke2, expected = world.answer(ke1, context=b"one")
    with pytest.raises(ServerAuthenticationError):
        client.generate_ke3(session, ke2, IDENTITIES, identity, context=b"two")
    ke3, _ = client.generate_ke3(session, ke2, IDENTITIES, identity, context=b"one")
    server.finish(expected.client_mac, ke3)


RANDOMIZED = bytes(range(32))
SERVER = SoftwareAkeKey.derive(b"s" * 32).public_key


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
