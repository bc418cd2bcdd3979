"""Hashing to the curve: its corners; that it is right, the vectors of both RFCs show."""

from __future__ import annotations

import hashlib

import p256_twin as twin
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.opaque import hash_to_curve as h2c
from strongroom_protocol.opaque.errors import IdentityElement
from strongroom_protocol.opaque.group import ORDER, PRIME, add

DST = b"a domain"


def textbook_map(u: int) -> tuple[int, int]:
    """Simplified SWU with branches, as RFC 9380 section 6.6.2 first states it."""
    a, z = -3, -10
    tv1 = pow(z * z * u**4 + z * u * u, PRIME - 2, PRIME)
    x = twin.B * pow(z * a, -1, PRIME) % PRIME
    if tv1 != 0:
        x = -twin.B * pow(a, -1, PRIME) * (1 + tv1) % PRIME
    if pow(x**3 + a * x + twin.B, (PRIME - 1) // 2, PRIME) != 1:
        x = z * u * u * x % PRIME
    y = pow(x**3 + a * x + twin.B, (PRIME + 1) // 4, PRIME)
    if u % 2 != y % 2:
        y = PRIME - y
    return x, y


@given(st.integers(0, PRIME - 1))
def test_map_to_curve(u: int) -> None:
    point = h2c._map_to_curve(u)
    assert (point.x, point.y) == textbook_map(u)


ROOT_OF_A_TENTH = pow(pow(10, -1, PRIME), (PRIME + 1) // 4, PRIME)


@pytest.mark.parametrize("u", [0, ROOT_OF_A_TENTH, PRIME - ROOT_OF_A_TENTH])
def test_map_of_the_exceptional_inputs(u: int) -> None:
    """The three u with Z^2 u^4 + Z u^2 = 0, where the formula would divide by zero."""
    assert (100 * u**4 - 10 * u**2) % PRIME == 0
    point = h2c._map_to_curve(u)
    assert (point.x, point.y) == textbook_map(u)


@given(st.integers(1, PRIME - 1))
def test_opposite_field_elements_cancel_out(u: int) -> None:
    """The only way to the identity: two hashes that are each other's negative."""
    with pytest.raises(IdentityElement):
        add(h2c._map_to_curve(u), h2c._map_to_curve(PRIME - u))


@given(st.binary(), st.binary(min_size=1, max_size=255))
def test_hashes_are_bound_to_message_and_domain(message: bytes, dst: bytes) -> None:
    point = h2c.hash_to_curve(message, dst)
    assert point == h2c.hash_to_curve(message, dst)
    assert point != h2c.hash_to_curve(message + b"\x00", dst)
    assert point != h2c.hash_to_curve(message, bytes([dst[0] ^ 1]) + dst[1:])
    assert 0 <= h2c.hash_to_scalar(message, dst) < ORDER


@given(st.binary(), st.integers(1, 255 * 32))
def test_expansion_has_its_size_and_depends_on_it(message: bytes, size: int) -> None:
    uniform = h2c.expand_message_xmd(message, DST, size)
    assert len(uniform) == size
    first = hashlib.sha256(
        bytes(64) + message + size.to_bytes(2, "big") + b"\x00" + DST + bytes([len(DST)])
    ).digest()
    block = hashlib.sha256(first + b"\x01" + DST + bytes([len(DST)])).digest()
    assert uniform[:32] == block[:size]


@pytest.mark.parametrize("dst", [b"", bytes(256)])
def test_domain_separation_tag_has_a_size(dst: bytes) -> None:
    with pytest.raises(RuntimeError):
        h2c.expand_message_xmd(b"", dst, 32)
    h2c.expand_message_xmd(b"", bytes(255), 32)


@pytest.mark.parametrize("size", [0, 255 * 32 + 1])
def test_expansion_has_a_largest_size(size: int) -> None:
    with pytest.raises(RuntimeError):
        h2c.expand_message_xmd(b"", DST, size)
