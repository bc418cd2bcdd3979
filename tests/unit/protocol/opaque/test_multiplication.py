"""Multiplication: against a textbook twin, and with answers of foreign keys."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import p256_twin as twin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from p256_points import MINUS_GENERATOR, SCALARS, element, negative

from strongroom_protocol.opaque import group, multiplication
from strongroom_protocol.opaque.errors import KeyMismatch
from strongroom_protocol.opaque.group import GENERATOR, ORDER, PRIME, Element, Scalar
from strongroom_protocol.opaque.multiplication import Multiplier

if TYPE_CHECKING:
    from collections.abc import Callable


def x_answers(k: int) -> Callable[[Element], bytes]:
    """A token that holds k, from the twin."""

    def ecdh_x(point: Element) -> bytes:
        product = twin.times(k, (point.x, point.y))
        assert product is not None
        return product[0].to_bytes(32, "big")

    return ecdh_x


def refuse(point: Element) -> bytes:
    raise AssertionError(f"asked for {point}")


@given(SCALARS, SCALARS)
def test_scalar_multiply(k: int, i: int) -> None:
    assert multiplication.scalar_multiply(Scalar(k), element(i)) == element(k * i % ORDER)


@given(SCALARS, SCALARS)
def test_multiply_by_ecdh(k: int, i: int) -> None:
    assert multiplication.multiply_by_ecdh(element(k), element(i), x_answers(k)) == element(
        k * i % ORDER
    )


@given(SCALARS)
def test_generator_and_its_negative_need_no_call(k: int) -> None:
    q = element(k)
    assert multiplication.multiply_by_ecdh(q, GENERATOR, refuse) == q
    assert multiplication.multiply_by_ecdh(q, MINUS_GENERATOR, refuse) == negative(q)
    assert Multiplier(Scalar(k)).multiply(MINUS_GENERATOR) == negative(q)


@settings(max_examples=30)
@given(st.binary())
def test_foreign_key_is_noticed(seed: bytes) -> None:
    """Both answers from another key, or one of them. All three numbers are unrelated."""
    k, foreign, i = (
        int.from_bytes(hashlib.sha256(name + seed).digest(), "big") % ORDER
        for name in (b"key", b"foreign", b"point")
    )
    q, point = element(k), element(i)
    honest, other = x_answers(k), x_answers(foreign)
    shifted = group.add(point, GENERATOR)
    for x1, x2 in (
        (other(point), other(shifted)),
        (honest(point), other(shifted)),
        (other(point), honest(shifted)),
    ):
        with pytest.raises(KeyMismatch):
            multiplication.recover_product(q, point, x1, x2)


def test_foreign_key_that_is_not_noticed() -> None:
    """If k = f(2i + 1) then -i*f*G fits too; who can choose such an i knows k/f already."""
    foreign, i = 3, 11
    k = foreign * (2 * i + 1)
    unnoticed = multiplication.multiply_by_ecdh(element(k), element(i), x_answers(foreign))
    assert unnoticed == negative(element(foreign * i))


@given(SCALARS, st.integers(2, ORDER - 2))
def test_negated_q_gives_the_negative(k: int, i: int) -> None:
    """It cannot be noticed, as the docstring says: the sign of Q must be kept from generation."""
    product = multiplication.multiply_by_ecdh(negative(element(k)), element(i), x_answers(k))
    assert product == negative(element(k * i % ORDER))


def test_answer_for_another_point_is_refused() -> None:
    """The x of Q itself would satisfy the equation whatever the second answer is."""
    q, point = element(5), element(7)
    with pytest.raises(KeyMismatch, match="another point"):
        multiplication.recover_product(q, point, q.x.to_bytes(32, "big"), bytes(32))


@pytest.mark.parametrize(
    "answer", [b"", bytes(31), bytes(33), PRIME.to_bytes(32, "big"), b"\xff" * 32]
)
def test_answer_that_is_no_coordinate(answer: bytes) -> None:
    good = x_answers(5)(element(7))
    for x1, x2 in ((answer, good), (good, answer)):
        with pytest.raises(KeyMismatch, match="not an x coordinate"):
            multiplication.recover_product(element(5), element(7), x1, x2)


@pytest.mark.parametrize("point", [GENERATOR, MINUS_GENERATOR])
def test_recovery_at_the_generator_is_misuse(point: Element) -> None:
    with pytest.raises(RuntimeError):
        multiplication.recover_product(element(5), point, bytes(32), bytes(32))


def test_a_multiplier_does_not_print_its_scalar() -> None:
    assert "12345" not in repr(Multiplier(Scalar(12345)))
