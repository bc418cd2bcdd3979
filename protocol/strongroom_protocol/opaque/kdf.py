"""HKDF-SHA-256 and HMAC-SHA-256 under the names of RFC 9807 section 2.2."""

from __future__ import annotations

import hmac

from strongroom_protocol.opaque.labels import NH


def extract(ikm: bytes) -> bytes:
    """Return HKDF-Extract with an empty salt, 32 bytes (RFC 5869 section 2.2)."""
    return hmac.digest(bytes(NH), ikm, "sha256")


def expand(prk: bytes, info: bytes, size: int = NH) -> bytes:
    """Return HKDF-Expand(prk, info, size) (RFC 5869 section 2.3); `size` is at most 255 * 32."""
    block, output = b"", b""
    for counter in range(1, -(-size // NH) + 1):
        block = hmac.digest(prk, block + info + bytes((counter,)), "sha256")
        output += block
    return output[:size]


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256, 32 bytes."""
    return hmac.digest(key, message, "sha256")
