"""Multiplication in P-256, by who holds the scalar: a library, or a token that gives ECDH answers.

The host never walks over a scalar's bits. Libcrypto gives back the point (`libcrypto.py`); where it
is missing, `cryptography` gives x coordinates only, as tokens do, and `recover_product` finds y
from a second answer. `group.py` says what is constant-time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_protocol.opaque import group
from strongroom_protocol.opaque.errors import KeyMismatch
from strongroom_protocol.opaque.group import (
    COORDINATE_SIZE,
    CURVE,
    GENERATOR,
    PRIME,
    Element,
    Scalar,
    add,
    curve_polynomial,
    trusted_element,
)

if TYPE_CHECKING:
    from collections.abc import Callable

_ECDH: Final = ec.ECDH()


class Multiplier:
    """Multiplication by one scalar."""

    __slots__ = ("_scalar", "generator_product")

    def __init__(self, scalar: Scalar) -> None:
        self._scalar = scalar
        self.generator_product: Final = self._multiply_generator()

    def __repr__(self) -> str:
        return "Multiplier(<secret>)"

    def multiply(self, point: Element) -> Element:
        """Return scalar * point."""
        if group.LIBCRYPTO is not None:
            product = group.LIBCRYPTO.multiply(self._scalar.encode(), point.encode_uncompressed())
            return trusted_element(product)
        key = self._key()

        def ecdh_x(other: Element) -> bytes:
            peer = ec.EllipticCurvePublicNumbers(other.x, other.y, CURVE).public_key()
            return key.exchange(_ECDH, peer)

        return multiply_by_ecdh(self.generator_product, point, ecdh_x)

    def _multiply_generator(self) -> Element:
        if group.LIBCRYPTO is not None:
            return trusted_element(group.LIBCRYPTO.multiply(self._scalar.encode()))
        numbers = self._key().public_key().public_numbers()
        return Element(numbers.x, numbers.y)

    def _key(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self._scalar.value, CURVE)


def recover_product(q: Element, point: Element, x1: bytes, x2: bytes) -> Element:
    """Find k * point from two x coordinates, and check that both answers are those of one key.

    With x1 and q the chord through k*point and q is known but for y, and x2 is where it meets the
    curve again: that equation is linear in y. A negated q cannot be noticed: it yields -k*point.
    Nor can a foreign key f with k = f(2i + 1) for point = i*GENERATOR: to choose that i is to know
    k/f.

    Args:
        q: k * GENERATOR.
        point: any element whose x is not the generator's (see `multiply_by_ecdh`).
        x1: x of k * point, 32 bytes.
        x2: x of k * (point + GENERATOR), 32 bytes.

    Raises:
        KeyMismatch: if the answers are not those of the key of q.
        RuntimeError: if x of point is the generator's.
    """
    if point.x == GENERATOR.x:
        raise RuntimeError("a point with the generator's x needs no recovery")
    x, x_next = _answer(x1), _answer(x2)
    distance = x - q.x
    if distance == 0:  # k*point would be q or -q, and so point the generator or its negative
        raise KeyMismatch("the answer belongs to another point")
    square = curve_polynomial(x)
    numerator = square + q.y * q.y - (x_next + x + q.x) * distance * distance
    y = numerator * _inverse_of_twice(q.y) % PRIME
    if y * y % PRIME != square:
        raise KeyMismatch("the answers come from another key")
    return Element(x, y)


def multiply_by_ecdh(q: Element, point: Element, ecdh_x: Callable[[Element], bytes]) -> Element:
    """Multiply by a key of which only ECDH answers can be had.

    Args:
        q: the key's public point.
        point: what to multiply; one with the generator's x takes less time.
        ecdh_x: gives x of k * its argument, 32 bytes; called twice, or not at all.

    Returns:
        k * point.

    Raises:
        KeyMismatch: if the answers are not of the key of q.
    """
    if point.x == GENERATOR.x:
        return q if point.y == GENERATOR.y else Element(q.x, PRIME - q.y)
    return recover_product(q, point, ecdh_x(point), ecdh_x(add(point, GENERATOR)))


def scalar_multiply(scalar: Scalar, point: Element) -> Element:
    """Return scalar * point."""
    return Multiplier(scalar).multiply(point)


@lru_cache(maxsize=8)
def _inverse_of_twice(y: int) -> int:
    """1/2y of a public point; the vault's own comes back at every login."""
    return pow(2 * y, -1, PRIME)


def _answer(x: bytes) -> int:
    value = int.from_bytes(x)
    if len(x) != COORDINATE_SIZE or value >= PRIME:
        raise KeyMismatch("the answer is not an x coordinate")
    return value
