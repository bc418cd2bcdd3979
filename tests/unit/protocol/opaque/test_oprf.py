"""The OPRF beyond its vectors: the blind goes away, errors are typed, what never happens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.opaque import oprf
from strongroom_protocol.opaque.errors import DeriveKeyPairFailed, IdentityElement, InvalidInput
from strongroom_protocol.opaque.group import Element, Scalar
from strongroom_protocol.opaque.keys import SoftwareOprfKey
from strongroom_protocol.opaque.multiplication import scalar_multiply

KEY = Scalar(0xC0FFEE)
TOO_LONG = bytes(2**16)


def evaluate(data: bytes, blind: Scalar) -> bytes:
    evaluated = SoftwareOprfKey(KEY).evaluate(oprf.blind(data, blind))
    return oprf.finalize(data, blind, evaluated)


@given(st.binary())
def test_the_output_does_not_depend_on_the_blind(data: bytes) -> None:
    directly = oprf.output(data, scalar_multiply(KEY, oprf.hash_input_to_group(data)))
    assert evaluate(data, Scalar.random()) == directly
    assert evaluate(data, Scalar.random()) == directly


def test_the_blinded_element_hides_the_input() -> None:
    """With the right blind, any input has any element: here one element for two inputs."""
    element = oprf.blind(b"one", Scalar(7))
    assert element != oprf.blind(b"two", Scalar(7))
    assert element != oprf.blind(b"one", Scalar(8))


def test_the_output_depends_on_key_and_input() -> None:
    blind = Scalar.random()
    element = oprf.blind(b"input", blind)
    outputs = {
        oprf.finalize(data, blind, SoftwareOprfKey(key).evaluate(element))
        for data in (b"input", b"inpuT")
        for key in (KEY, Scalar(0xC0FFEF))
    }
    assert len(outputs) == 4


@pytest.mark.parametrize("data", [b"", bytes(2**16 - 1)])
def test_shortest_and_longest_input(data: bytes) -> None:
    assert len(evaluate(data, Scalar(7))) == 32


def test_too_long_an_input_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidInput):
        oprf.blind(TOO_LONG, Scalar(7))
    with pytest.raises(InvalidInput):
        oprf.length_prefixed(TOO_LONG)


def test_modes_are_separate() -> None:
    seed = bytes(32)
    assert len({oprf.derive_key_pair(seed, b"", mode).encode() for mode in range(3)}) == 3
    assert len({oprf.derive_key_pair(seed, info).encode() for info in (b"", b"a", b"b")}) == 3
    assert len({oprf.blind(b"data", KEY, mode).encode() for mode in range(3)}) == 3


# Nobody knows an input for the last two: SHA-256 itself is replaced by what it never gives.


def test_an_input_that_maps_to_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    def cancel_out(message: bytes, dst: bytes) -> Element:
        raise IdentityElement("sum", "the identity element")

    monkeypatch.setattr(oprf, "hash_to_curve", cancel_out)
    with pytest.raises(InvalidInput):
        oprf.blind(b"data", KEY)


def test_key_derivation_tries_again_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    counters: list[int] = []

    def zeros(message: bytes, dst: bytes) -> int:
        counters.append(message[-1])
        return 0 if len(counters) < 3 or len(counters) > 3 else 5

    monkeypatch.setattr(oprf, "hash_to_scalar", zeros)
    assert oprf.derive_key_pair(bytes(32), b"") == Scalar(5)
    assert counters == [0, 1, 2]
    with pytest.raises(DeriveKeyPairFailed):
        oprf.derive_key_pair(bytes(32), b"")
    assert counters[3:] == list(range(256))
