"""RFC 9380: bytes to points of P-256 (suite P256_XMD:SHA-256_SSWU_RO_) and to scalars.

Straight-line code with arithmetic selects: what is hashed is a password. Python's integers are not
constant-time; see `group.py`.
"""

from __future__ import annotations

import hashlib
from typing import Final

from strongroom_protocol.opaque.group import CURVE_B, ORDER, PRIME, Element, add, curve_polynomial

_EXPAND_LEN: Final = 48  # L of RFC 9380 section 8.2: ceil((256 + 128) / 8)
_HASH_SIZE: Final = 32
_BLOCK_SIZE: Final = 64
_MAX_DST: Final = 255
_MAX_BLOCKS: Final = 255

# Simplified SWU for a = -3 and Z = -10 (RFC 9380 sections 6.6.2 and 8.2).
_A: Final = -3
_Z: Final = -10
_MINUS_B_OVER_A: Final = -CURVE_B * pow(_A, -1, PRIME) % PRIME
_B_OVER_ZA: Final = CURVE_B * pow(_Z * _A, -1, PRIME) % PRIME


def hash_to_curve(message: bytes, dst: bytes) -> Element:
    """Return the point of `message` (RFC 9380 section 3). `dst` is at most 255 bytes.

    Raises:
        IdentityElement: the two mapped points cancel out, which nobody can bring about.
    """
    u0, u1 = _hash_to_field(message, dst, PRIME, count=2)
    return add(_map_to_curve(u0), _map_to_curve(u1))


def hash_to_scalar(message: bytes, dst: bytes) -> int:
    """Return an integer below the group order (RFC 9497 section 4.3)."""
    return _hash_to_field(message, dst, ORDER, count=1)[0]


def expand_message_xmd(message: bytes, dst: bytes, size: int) -> bytes:
    """Return `size` uniform bytes (RFC 9380 section 5.3.1) with SHA-256: 1 to 255 blocks.

    Raises:
        RuntimeError: `dst` does not have 1 to 255 bytes, or `size` is out of range.
    """
    if not 0 < len(dst) <= _MAX_DST:
        raise RuntimeError("a domain separation tag has 1 to 255 bytes")
    if not 0 < size <= _MAX_BLOCKS * _HASH_SIZE:
        raise RuntimeError("an expansion has 1 to 255 blocks")
    dst_prime = dst + bytes([len(dst)])
    head = bytes(_BLOCK_SIZE) + message + size.to_bytes(2, "big") + b"\x00"
    b0 = hashlib.sha256(head + dst_prime).digest()
    block = bytes(_HASH_SIZE)
    uniform = b""
    for number in range(1, -(-size // _HASH_SIZE) + 1):
        mixed = bytes(x ^ y for x, y in zip(b0, block, strict=True))
        block = hashlib.sha256(mixed + bytes([number]) + dst_prime).digest()
        uniform += block
    return uniform[:size]


def _hash_to_field(message: bytes, dst: bytes, modulus: int, count: int) -> list[int]:
    """RFC 9380 section 5.2, for a prime field."""
    uniform = expand_message_xmd(message, dst, count * _EXPAND_LEN)
    parts = (uniform[i : i + _EXPAND_LEN] for i in range(0, len(uniform), _EXPAND_LEN))
    return [int.from_bytes(part, "big") % modulus for part in parts]


def _map_to_curve(u: int) -> Element:
    """Simplified SWU (RFC 9380 section 6.6.2)."""
    zu2 = _Z * u * u % PRIME
    denominator = (zu2 * zu2 + zu2) % PRIME
    exceptional = int(denominator == 0)
    # pow by PRIME - 2 is the inverse, and 0 for 0: inv0 of RFC 9380 section 4.
    tv1 = pow(denominator, PRIME - 2, PRIME)
    x1 = _select(_MINUS_B_OVER_A * (1 + tv1) % PRIME, _B_OVER_ZA, exceptional)
    gx1 = curve_polynomial(x1)
    x2 = zu2 * x1 % PRIME
    gx2 = curve_polynomial(x2)
    y1 = pow(gx1, (PRIME + 1) // 4, PRIME)
    y2 = pow(gx2, (PRIME + 1) // 4, PRIME)
    second = int(y1 * y1 % PRIME != gx1)
    y = _select(y1, y2, second)
    y = _select(y, PRIME - y, (y ^ u) & 1)
    return Element(_select(x1, x2, second), y)


def _select(if_zero: int, if_one: int, bit: int) -> int:
    return if_zero ^ ((if_zero ^ if_one) & -bit)
