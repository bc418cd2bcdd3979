"""The group P-256: elements, scalars, addition. `multiplication.py` multiplies.

What is constant-time and what is not:

- Libcrypto and `cryptography` (OpenSSL both) multiply in constant time; so does the token, if its
  maker says so.
- Our formulas have no branch and no table look-up that depends on a secret coordinate, except the
  corner cases that no honest party reaches, and inverses of secrets are taken of a randomised
  multiple. But they are made of Python integers, whose single operations take a time that varies
  a little with the value. The blinded password, B and its multiples on the client, passes here.
- Decoding, encoding and comparing points is not constant-time: points on the wire are public.
- Python cannot promise to wipe a secret from memory.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_protocol.opaque import labels, libcrypto
from strongroom_protocol.opaque.errors import (
    IdentityElement,
    NonCanonicalPoint,
    NonCanonicalScalar,
    PointNotOnCurve,
    WrongLength,
)

PRIME: Final = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The field's modulus (SP 800-186 section 3.2.1.3)."""
ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The number of elements, a prime, so that there is no cofactor."""
CURVE_B: Final = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
"""The curve is y^2 = x^3 - 3x + CURVE_B."""

COORDINATE_SIZE: Final = 32
CURVE: Final = ec.SECP256R1()
LIBCRYPTO: libcrypto.Libcrypto | None = libcrypto.load()


def invert(value: int, modulus: int) -> int:
    """Return 1/value for a prime modulus; the time is that of a random number's inverse."""
    mask = 1 + secrets.randbelow(modulus - 1)
    return mask * pow(value * mask % modulus, -1, modulus) % modulus


def curve_polynomial(x: int) -> int:
    """Return x^3 - 3x + b modulo the prime: the square of y at x."""
    return ((x * x - 3) * x + CURVE_B) % PRIME


@dataclass(frozen=True, slots=True)
class Element:
    """A point of P-256 that is not the identity, in affine coordinates.

    Raises:
        PointNotOnCurve: if no point has these coordinates.
    """

    x: int
    y: int

    def __post_init__(self) -> None:
        in_range = 0 <= self.x < PRIME and 0 <= self.y < PRIME
        if not in_range or self.y * self.y % PRIME != curve_polynomial(self.x):
            raise PointNotOnCurve("element", "not a point of P-256")

    @classmethod
    def decode(cls, data: bytes, field: str = "element") -> Element:
        """Decode 33 bytes, SEC 1 compressed (RFC 9497 section 4.3, DeserializeElement).

        Args:
            data: the encoding, which must be the only one of its point.
            field: what a decoding error calls it.

        Raises:
            IdentityElement: if it is an encoding of the identity.
            WrongLength: if it does not have 33 bytes.
            NonCanonicalPoint: if it does not begin with 02 or 03, or x is not below the prime.
            PointNotOnCurve: if no point has this x.
        """
        return _decode_point(data, field, labels.NOE, b"\x02\x03")

    @classmethod
    def decode_uncompressed(cls, data: bytes, field: str = "element") -> Element:
        """Decode 65 bytes, SEC 1 uncompressed: 04, x, y.

        Raises:
            DecodeError: as `decode`.
        """
        return _decode_point(data, field, 1 + 2 * COORDINATE_SIZE, b"\x04")

    def encode(self) -> bytes:
        """Return 33 bytes, SEC 1 compressed (RFC 9497 section 4.3, SerializeElement)."""
        return bytes((2 + (self.y & 1),)) + self.x.to_bytes(COORDINATE_SIZE)

    def encode_uncompressed(self) -> bytes:
        """Return 65 bytes, SEC 1 uncompressed: 04, x, y."""
        return b"\x04" + self.x.to_bytes(COORDINATE_SIZE) + self.y.to_bytes(COORDINATE_SIZE)


GENERATOR: Final = Element(
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Scalar:
    """A number from 1 to ORDER - 1; a secret, so it does not print and compares in constant time.

    Raises:
        NonCanonicalScalar: if the number is out of range.
    """

    value: int

    def __post_init__(self) -> None:
        if not 0 < self.value < ORDER:
            raise NonCanonicalScalar("scalar", "zero, or not below the order of P-256")

    @classmethod
    def decode(cls, data: bytes, field: str = "scalar") -> Scalar:
        """Decode 32 bytes, big-endian.

        Raises:
            WrongLength: if it does not have 32 bytes.
            NonCanonicalScalar: if it is zero, or not below the order.
        """
        _require_length(data, field, labels.NOK)
        value = int.from_bytes(data)
        if not 0 < value < ORDER:
            raise NonCanonicalScalar(field, "zero, or not below the order of P-256")
        return cls(value)

    @classmethod
    def random(cls) -> Scalar:
        """Return a uniformly random scalar, never zero (RFC 9497 section 4.7.1)."""
        return cls(1 + secrets.randbelow(ORDER - 1))

    def encode(self) -> bytes:
        """Return 32 bytes, big-endian."""
        return self.value.to_bytes(labels.NOK)

    def inverse(self) -> Scalar:
        """Return the scalar which multiplied by this one is 1."""
        return Scalar(invert(self.value, ORDER))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Scalar):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    __hash__ = None  # type: ignore[assignment]  # a secret must not become a dict key

    def __repr__(self) -> str:
        return "Scalar(<secret>)"


def add(a: Element, b: Element) -> Element:
    """Return a + b, for every pair, equal points too.

    Raises:
        IdentityElement: if the sum is the identity, which `Element` cannot hold.
    """
    if a.x == b.x and a.y != b.y:
        raise IdentityElement("sum", "the identity element")
    if LIBCRYPTO is not None:
        return trusted_element(LIBCRYPTO.add(a.encode_uncompressed(), b.encode_uncompressed()))
    return _add(a, b)


def _add(a: Element, b: Element) -> Element:
    """Add without libcrypto.

    Renes, Costello and Batina, "Complete addition formulas for prime order elliptic curves"
    (2016), algorithm 4, with both Z set to 1.
    """
    sum_x, sum_y = a.x + b.x, a.y + b.y
    cross = a.x * b.y + b.x * a.y
    square_x = a.x * b.x
    upper = (a.y * b.y + 3 * (sum_x - CURVE_B)) % PRIME
    lower = (a.y * b.y - 3 * (sum_x - CURVE_B)) % PRIME
    slope = 3 * (square_x - 1) % PRIME
    rest = 3 * (CURVE_B * sum_x - square_x - 3) % PRIME
    x = cross * upper - sum_y * rest
    y = upper * lower + slope * rest
    z = (sum_y * lower + cross * slope) % PRIME
    inverse = invert(z, PRIME)
    return Element(x * inverse % PRIME, y * inverse % PRIME)


def _require_length(data: bytes, field: str, size: int) -> None:
    if len(data) != size:
        raise WrongLength(field, f"{len(data)} bytes instead of {size}")


def _decode_point(data: bytes, field: str, size: int, forms: bytes) -> Element:
    if data in (b"\x00", bytes(size)):  # as SEC 1 has it, and as some libraries pad it
        raise IdentityElement(field, "the identity element")
    _require_length(data, field, size)
    if data[0] not in forms:
        raise NonCanonicalPoint(field, f"begins with {data[0]:02x}")
    if int.from_bytes(data[1 : 1 + COORDINATE_SIZE]) >= PRIME:
        raise NonCanonicalPoint(field, "its x is not below the prime")
    if int.from_bytes(data[1 + COORDINATE_SIZE :]) >= PRIME:
        raise NonCanonicalPoint(field, "its y is not below the prime")
    try:
        if LIBCRYPTO is not None:
            return trusted_element(LIBCRYPTO.decode(data))
        numbers = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, data).public_numbers()
    except ValueError as error:
        raise PointNotOnCurve(field, "not a point of P-256") from error
    return Element(numbers.x, numbers.y)


def trusted_element(uncompressed: bytes) -> Element:
    """Return the element of 65 bytes that libcrypto made, which checks every point itself."""
    element = object.__new__(Element)
    object.__setattr__(element, "x", int.from_bytes(uncompressed[1 : 1 + COORDINATE_SIZE]))
    object.__setattr__(element, "y", int.from_bytes(uncompressed[1 + COORDINATE_SIZE :]))
    return element
