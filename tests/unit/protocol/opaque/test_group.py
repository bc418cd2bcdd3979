"""The group: against a textbook twin, and at its corners."""

from __future__ import annotations

import contextlib

import p256_twin as twin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from p256_points import SCALARS, element, negative

from strongroom_protocol.opaque import group
from strongroom_protocol.opaque.errors import (
    DecodeError,
    IdentityElement,
    NonCanonicalPoint,
    NonCanonicalScalar,
    OpaqueError,
    PointNotOnCurve,
    WrongLength,
)
from strongroom_protocol.opaque.group import GENERATOR, ORDER, PRIME, Element, Scalar

POINT_LIKE = st.builds(
    lambda form, x: bytes([form]) + x, st.integers(0, 7), st.binary(min_size=32, max_size=32)
)


def test_constants() -> None:
    assert (PRIME, ORDER, group.CURVE_B) == (twin.P, twin.N, twin.B)
    assert twin.times(ORDER, twin.G) is None
    assert (GENERATOR.x, GENERATOR.y) == twin.G


@given(SCALARS, SCALARS)
def test_add(i: int, j: int) -> None:
    expected = twin.plus(twin.times(i, twin.G), twin.times(j, twin.G))
    if expected is None:
        with pytest.raises(IdentityElement):
            group.add(element(i), element(j))
    else:
        assert group.add(element(i), element(j)) == Element(*expected)


@given(SCALARS)
def test_add_corners(i: int) -> None:
    """Doubling needs no other formula, and opposite points are refused."""
    point = element(i)
    assert group.add(point, point) == element(2 * i % ORDER)
    with pytest.raises(IdentityElement):
        group.add(point, negative(point))


@given(st.integers(1, PRIME - 1), st.sampled_from([PRIME, ORDER]))
def test_invert(value: int, modulus: int) -> None:
    reduced = value % modulus or 1
    assert group.invert(reduced, modulus) * reduced % modulus == 1


# Elements


@pytest.mark.parametrize(
    ("x", "y"), [(0, 0), (1, 1), (GENERATOR.x, PRIME + GENERATOR.y), (-1, 1), (PRIME, 1), (5, -1)]
)
def test_no_element_off_the_curve(x: int, y: int) -> None:
    with pytest.raises(PointNotOnCurve):
        Element(x, y)


@given(SCALARS)
def test_encodings(k: int) -> None:
    point = element(k)
    assert Element.decode(point.encode()) == point
    assert Element.decode_uncompressed(point.encode_uncompressed()) == point
    assert len(point.encode()) == 33
    assert len(point.encode_uncompressed()) == 65


@given(POINT_LIKE | st.binary(max_size=70))
def test_decode_is_strict(data: bytes) -> None:
    """Whatever decodes has this encoding and no other; the rest is a DecodeError."""
    with contextlib.suppress(DecodeError):
        assert Element.decode(data).encode() == data
    with contextlib.suppress(DecodeError):
        assert Element.decode_uncompressed(data).encode_uncompressed() == data


@given(SCALARS, st.integers(0, 33 * 8 - 1))
def test_flipped_bit_is_another_element_or_none(k: int, bit: int) -> None:
    data = bytearray(element(k).encode())
    data[bit // 8] ^= 1 << bit % 8
    with contextlib.suppress(DecodeError):
        assert Element.decode(bytes(data)) != element(k)


G = GENERATOR.encode()
X_OFF_CURVE = next(
    x for x in range(100) if pow(group.curve_polynomial(x), (PRIME - 1) // 2, PRIME) != 1
)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", WrongLength),
        (G[:-1], WrongLength),
        (G + b"\x00", WrongLength),
        (GENERATOR.encode_uncompressed(), WrongLength),
        (bytes(5), WrongLength),
        (b"\x00", IdentityElement),
        (bytes(33), IdentityElement),
        (b"\x00" + G[1:], NonCanonicalPoint),
        (b"\x04" + G[1:], NonCanonicalPoint),
        (b"\x06" + G[1:], NonCanonicalPoint),
        (b"\x02" + PRIME.to_bytes(32, "big"), NonCanonicalPoint),
        (b"\x02" + (PRIME + 5).to_bytes(32, "big"), NonCanonicalPoint),
        (b"\x02" + b"\xff" * 32, NonCanonicalPoint),
        (b"\x03" + X_OFF_CURVE.to_bytes(32, "big"), PointNotOnCurve),
    ],
)
def test_compressed_refusals(data: bytes, error: type[DecodeError]) -> None:
    with pytest.raises(error) as raised:
        Element.decode(data, "point")
    assert raised.value.field == "point"
    assert str(raised.value).startswith("point: ")


U = GENERATOR.encode_uncompressed()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", WrongLength),
        (G, WrongLength),
        (U + b"\x00", WrongLength),
        (b"\x00", IdentityElement),
        (bytes(65), IdentityElement),
        (b"\x06" + U[1:], NonCanonicalPoint),
        (b"\x02" + U[1:], NonCanonicalPoint),
        (b"\x04" + PRIME.to_bytes(32, "big") + U[33:], NonCanonicalPoint),
        (U[:33] + PRIME.to_bytes(32, "big"), NonCanonicalPoint),
        (U[:-1] + bytes([U[-1] ^ 1]), PointNotOnCurve),
    ],
)
def test_uncompressed_refusals(data: bytes, error: type[DecodeError]) -> None:
    with pytest.raises(error):
        Element.decode_uncompressed(data)


# Scalars


@given(SCALARS)
def test_scalar_encoding(k: int) -> None:
    scalar = Scalar.decode(k.to_bytes(32, "big"))
    assert scalar.value == k
    assert scalar.encode() == k.to_bytes(32, "big")
    assert scalar.inverse().value * k % ORDER == 1


@given(st.binary(min_size=32, max_size=32) | st.binary(max_size=40))
def test_scalar_decode_is_strict(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert Scalar.decode(data).encode() == data


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", WrongLength),
        (b"\x01", WrongLength),
        (bytes(31) + b"\x01\x00", WrongLength),
        (bytes(32), NonCanonicalScalar),
        (ORDER.to_bytes(32, "big"), NonCanonicalScalar),
        ((ORDER + 1).to_bytes(32, "big"), NonCanonicalScalar),
        (b"\xff" * 32, NonCanonicalScalar),
    ],
)
def test_scalar_refusals(data: bytes, error: type[OpaqueError]) -> None:
    with pytest.raises(error):
        Scalar.decode(data)


@pytest.mark.parametrize("value", [0, -1, ORDER, ORDER + 1])
def test_scalar_out_of_range(value: int) -> None:
    with pytest.raises(NonCanonicalScalar):
        Scalar(value)


def test_scalars_are_secrets() -> None:
    scalar, same, other = Scalar(12345), Scalar(12345), Scalar(54321)
    assert scalar == same
    assert scalar != other
    assert scalar != 12345
    assert "12345" not in repr(scalar)
    with pytest.raises(TypeError):
        hash(scalar)


def test_random_scalars_differ() -> None:
    drawn = {Scalar.random().encode() for _ in range(64)}
    assert len(drawn) == 64
