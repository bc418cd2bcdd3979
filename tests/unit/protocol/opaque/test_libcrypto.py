"""What libcrypto refuses, and systems that have none."""

from __future__ import annotations

import ctypes
import sys

import pytest

from strongroom_protocol.opaque import libcrypto
from strongroom_protocol.opaque.errors import IdentityElement
from strongroom_protocol.opaque.group import GENERATOR, ORDER, Scalar, add
from strongroom_protocol.opaque.multiplication import scalar_multiply


def loaded() -> libcrypto.Libcrypto:
    library = libcrypto.load()
    assert library is not None
    return library


def test_what_is_no_point_or_the_identity_is_refused() -> None:
    generator = GENERATOR.encode_uncompressed()
    minus = loaded().multiply((ORDER - 1).to_bytes(32), generator)
    with pytest.raises(ValueError, match="identity"):
        loaded().decode(b"\x04" + bytes(64))
    with pytest.raises(ValueError, match="identity"):
        loaded().multiply(bytes(32), generator)
    with pytest.raises(ValueError, match="identity"):
        loaded().multiply(ORDER.to_bytes(32))
    with pytest.raises(ValueError, match="identity"):
        loaded().add(generator, minus)


def test_the_sum_of_opposites_is_the_identity(backend: str) -> None:
    assert backend in {"libcrypto", "cryptography"}
    minus = scalar_multiply(Scalar(ORDER - 1), GENERATOR)
    with pytest.raises(IdentityElement):
        add(GENERATOR, minus)


def test_systems_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "platform", "darwin")
        assert libcrypto.load() is None
    monkeypatch.setattr(libcrypto, "SONAME", "libno-such-library.so.3")
    assert libcrypto.load() is None


def test_a_library_that_lacks_a_function_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libcrypto, "SONAME", "libc.so.6")
    assert ctypes.CDLL("libc.so.6")._name == "libc.so.6"
    assert libcrypto.load() is None
