"""A key in the token multiplies points; a key that is not the record's is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.token_key import TokenKey, decode_ec_point

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken

DOUBLED = add(GENERATOR, GENERATOR)


def test_it_multiplies_as_its_public_key_demands(token: OpenToken) -> None:
    identity = token.keys.identity
    assert identity.evaluate(GENERATOR) == identity.public_key
    expected = add(identity.public_key, identity.public_key)
    assert identity.evaluate(DOUBLED) == identity.diffie_hellman(DOUBLED) == expected
    assert identity.is_non_extractable


def test_another_public_key_is_noticed(token: OpenToken) -> None:
    identity = token.keys.identity
    foreign = TokenKey(identity._hot, identity._key, DOUBLED)
    with pytest.raises(TokenError):
        foreign.evaluate(add(DOUBLED, DOUBLED))


def test_a_point_comes_raw_or_in_an_octet_string() -> None:
    raw = GENERATOR.encode_uncompressed()
    assert decode_ec_point(raw) == decode_ec_point(b"\x04\x41" + raw) == GENERATOR
    for damaged in (b"", raw[:-1], b"\x04\x42" + raw, bytes(65)):
        with pytest.raises(TokenError, match="invalid public key"):
            decode_ec_point(damaged)
