"""Masking of the server's public key and envelope (RFC 9807 section 6.3.2.2)."""

from __future__ import annotations

from strongroom_protocol.opaque.errors import DecodeError, EnvelopeRecoveryError
from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.kdf import expand
from strongroom_protocol.opaque.labels import CREDENTIAL_RESPONSE_PAD, MASKED_RESPONSE_SIZE, NPK
from strongroom_protocol.opaque.messages import Envelope
from strongroom_protocol.opaque.wire import require_size


def mask(
    masking_key: bytes, masking_nonce: bytes, server_public_key: Element, envelope: Envelope
) -> bytes:
    """Return the masked response, 97 bytes."""
    return _xor_pad(masking_key, masking_nonce, server_public_key.encode() + envelope.encode())


def unmask(
    masking_key: bytes, masking_nonce: bytes, masked_response: bytes
) -> tuple[Element, Envelope]:
    """Return the server's public key and the envelope.

    Raises:
        EnvelopeRecoveryError: the masking key, so the password, is wrong.
    """
    clear = _xor_pad(masking_key, masking_nonce, masked_response)
    try:
        server_public_key = Element.decode(clear[:NPK], "server_public_key")
    except DecodeError as error:
        raise EnvelopeRecoveryError("the masked response does not open") from error
    return server_public_key, Envelope.decode(clear[NPK:])


def _xor_pad(masking_key: bytes, masking_nonce: bytes, data: bytes) -> bytes:
    pad = expand(masking_key, masking_nonce + CREDENTIAL_RESPONSE_PAD, MASKED_RESPONSE_SIZE)
    require_size("masked_response", data, MASKED_RESPONSE_SIZE)
    mixed = int.from_bytes(pad) ^ int.from_bytes(data)
    return mixed.to_bytes(MASKED_RESPONSE_SIZE)
