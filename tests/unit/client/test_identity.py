"""A vault's identity as text: exactly one spelling, of a point of P-256."""

from __future__ import annotations

import pytest

from strongroom import AsyncVault, BadIdentity, Vault, WrongVault
from strongroom.identity import decode_identity, encode_identity

GOOD = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"


@pytest.mark.parametrize(
    "identity",
    ["junk", "", " ", GOOD[:-1], GOOD + "A", "A" * 44, GOOD[:20] + "!" + GOOD[21:], "9" * 5000],
)
def test_what_is_no_identity_is_refused_at_connect(identity: str) -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(BadIdentity) as error:
            kind.connect("localhost:1", access_token="a", identity=identity)
        assert isinstance(error.value, WrongVault)
        assert "44 characters" in error.value.hint


def test_an_identity_and_its_bytes_go_both_ways() -> None:
    public_key = decode_identity(f" {GOOD}\n")
    assert len(public_key) == 33
    assert encode_identity(public_key) == GOOD


def test_a_part_of_an_identity_is_told_with_its_length() -> None:
    with pytest.raises(BadIdentity, match="43 characters, not 44"):
        decode_identity(GOOD[:-1])
