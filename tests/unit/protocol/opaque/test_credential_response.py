"""The mask over the server's key and the envelope: it opens with its own key and nonce."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.opaque import credential_response
from strongroom_protocol.opaque.errors import EnvelopeRecoveryError, WrongLength
from strongroom_protocol.opaque.kdf import expand
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.messages import Envelope

SERVER = SoftwareAkeKey.derive(b"s" * 32).public_key


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


def test_the_mask_byte_by_byte() -> None:
    sealed = Envelope(b"n" * 32, b"t" * 32)
    pad = expand(b"k" * 32, b"m" * 32 + b"CredentialResponsePad", 97)
    clear = SERVER.encode() + b"n" * 32 + b"t" * 32
    masked = credential_response.mask(b"k" * 32, b"m" * 32, SERVER, sealed)
    assert masked == bytes(a ^ b for a, b in zip(pad, clear, strict=True))


@pytest.mark.parametrize("size", [0, 96, 98])
def test_a_masked_response_has_one_size(size: int) -> None:
    with pytest.raises(WrongLength):
        credential_response.unmask(bytes(32), bytes(32), bytes(size))
