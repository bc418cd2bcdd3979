"""Keys in memory: they agree with each other and do not print."""

from __future__ import annotations

import pytest

from strongroom_protocol.opaque.group import GENERATOR, Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.multiplication import scalar_multiply


def test_diffie_hellman_agrees() -> None:
    alice, bob = SoftwareAkeKey.derive(b"a" * 32), SoftwareAkeKey.derive(b"b" * 32)
    assert alice.public_key != bob.public_key
    assert alice.diffie_hellman(bob.public_key) == bob.diffie_hellman(alice.public_key)
    assert alice.diffie_hellman(GENERATOR) == alice.public_key


def test_generated_oprf_keys_differ() -> None:
    keys = {SoftwareOprfKey.generate().public_key for _ in range(16)}
    assert len(keys) == 16


def test_evaluation_is_multiplication() -> None:
    scalar = Scalar(0xDEADBEEF)
    point = scalar_multiply(Scalar(99), GENERATOR)
    assert SoftwareOprfKey(scalar).evaluate(point) == scalar_multiply(scalar, point)
    assert SoftwareOprfKey(scalar).public_key == scalar_multiply(scalar, GENERATOR)


@pytest.mark.parametrize("kind", [SoftwareOprfKey, SoftwareAkeKey])
def test_keys_do_not_print(kind: type[SoftwareOprfKey | SoftwareAkeKey]) -> None:
    key = kind(Scalar(0xDEADBEEF))
    for shown in (repr(key), str(key), f"{key.__class__} {key}"):
        assert str(0xDEADBEEF) not in shown
        assert "deadbeef" not in shown.lower()
