"""The envelope by itself: it opens for the same password, key and identities, and no others."""

from __future__ import annotations

import pytest
from opaque_world import IDENTITIES

from strongroom_protocol.opaque import envelope
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import EnvelopeRecoveryError, InvalidInput
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.messages import Envelope

RANDOMIZED = bytes(range(32))
SERVER = SoftwareAkeKey.derive(b"s" * 32).public_key


@pytest.mark.parametrize("wrong", [b"", bytes(2**16)])
def test_identities_have_a_size(wrong: bytes) -> None:
    with pytest.raises(InvalidInput):
        Identities(client=wrong)
    with pytest.raises(InvalidInput):
        Identities(server=wrong)


def test_a_missing_identity_is_the_public_key() -> None:
    assert Identities().of_client(GENERATOR) == Identities().of_server(GENERATOR)
    assert Identities().of_client(GENERATOR) == GENERATOR.encode()
    assert IDENTITIES.of_client(GENERATOR) == IDENTITIES.client
    assert IDENTITIES.of_server(GENERATOR) == IDENTITIES.server


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
