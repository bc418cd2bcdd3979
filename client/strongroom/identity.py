"""A vault's identity as text: 44 characters of base64url."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Final

from strongroom.arguments import check_types
from strongroom.errors import BadIdentity
from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_protocol.opaque.group import Element

IDENTITY_SIZE: Final = 44


def encode_identity(public_key: bytes) -> str:
    """Return a vault's identity (33 bytes) as 44 characters of base64url."""
    return urlsafe_b64encode(public_key).decode()


def decode_identity(identity: str) -> bytes:
    """Return the 33 bytes of a vault's identity.

    Raises:
        BadIdentity: it is not 44 characters of base64url, or not a point of P-256.
        TypeError: it is not a str.
    """
    check_types(identity=(identity, str))
    text = identity.strip()
    if len(text) != IDENTITY_SIZE:
        raise BadIdentity(
            f"The given vault identity has {len(text)} characters, not {IDENTITY_SIZE}."
        )
    try:
        public_key = urlsafe_b64decode(text)
        Element.decode(public_key)
    except (Base64Error, ValueError, OpaqueError) as error:
        raise BadIdentity from error
    if encode_identity(public_key) != text:
        raise BadIdentity
    return public_key
