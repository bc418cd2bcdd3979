"""The errors of OPAQUE are one family, name their field, and survive a process boundary."""

from __future__ import annotations

import pickle

import pytest

from strongroom_protocol.opaque import errors
from strongroom_protocol.opaque.errors import DecodeError, OpaqueError

ALL = [kind for kind in vars(errors).values() if isinstance(kind, type)]
DECODING = [kind for kind in ALL if issubclass(kind, DecodeError)]


def test_all_have_one_base() -> None:
    assert len(ALL) == len(set(ALL)) == 14
    assert all(issubclass(kind, OpaqueError) for kind in ALL)
    assert len(DECODING) == 7


@pytest.mark.parametrize("kind", DECODING)
def test_a_decoding_error_survives_a_process_boundary(kind: type[DecodeError]) -> None:
    error = pickle.loads(pickle.dumps(kind("KE1.client_nonce", "31 of 32 bytes")))  # noqa: S301
    assert type(error) is kind
    assert (error.field, error.problem) == ("KE1.client_nonce", "31 of 32 bytes")
    assert str(error) == "KE1.client_nonce: 31 of 32 bytes"
