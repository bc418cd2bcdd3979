"""HKDF-SHA-256 and HMAC-SHA-256 under the names of RFC 9807 section 2.2."""

from __future__ import annotations

import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from strongroom.opaque.labels import NH


def extract(ikm: bytes) -> bytes:
    """Return HKDF-Extract with an empty salt, 32 bytes (RFC 5869 section 2.2)."""
    return hmac.digest(bytes(NH), ikm, "sha256")


def expand(prk: bytes, info: bytes, size: int = NH) -> bytes:
    """Return HKDF-Expand(prk, info, size) (RFC 5869 section 2.3)."""
    return HKDFExpand(SHA256(), size, info).derive(prk)


def mac(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256, 32 bytes."""
    return hmac.digest(key, message, "sha256")
