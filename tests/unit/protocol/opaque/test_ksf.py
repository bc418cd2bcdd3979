"""Key stretching: the parameters reach Argon2id, and it is the one of RFC 9106."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.kdf import argon2

from strongroom_protocol.opaque import ksf
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id


def test_it_is_argon2id_with_a_salt_of_zeros() -> None:
    """The library's own encoded form names variant, version, costs and salt."""
    encoded = argon2.Argon2id(
        salt=bytes(16), length=32, iterations=2, lanes=4, memory_cost=256
    ).derive_phc_encoded(b"output")
    assert encoded.startswith("$argon2id$v=19$m=256,t=2,p=4$AAAAAAAAAAAAAAAAAAAAAA$")
    argon2.Argon2id.verify_phc_encoded(b"output", encoded)
    assert base64.b64decode(encoded.rsplit("$", 1)[1] + "=") == Argon2id(256, 2, 4)(b"output")


@pytest.mark.parametrize("other", [Argon2id(512, 2, 4), Argon2id(256, 3, 4), Argon2id(256, 2, 2)])
def test_every_parameter_counts(other: Argon2id) -> None:
    base = Argon2id(256, 2, 4)
    assert other(b"output") != base(b"output")
    assert base(b"output") != base(b"outpuT")
    assert len(other(b"output")) == 32


def test_the_default_is_the_second_choice_of_the_rfc() -> None:
    assert Argon2id(memory_kib=65536, passes=3, lanes=4) == RFC9106_SECOND


def test_identity_is_for_vectors_only() -> None:
    assert ksf.identity(b"output") == b"output"
