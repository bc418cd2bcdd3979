"""The hot operations through python-pkcs11."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.opaque.group import GENERATOR
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.hot_operations import wrap_mechanism
from strongroom_vault.hsm.token.plain import PlainOperations
from strongroom_vault.hsm.token.quirks import Quirks

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


@pytest.mark.parametrize("is_extractable", [False, True])
def test_a_key_is_unwrapped_to_be_used_or_to_be_wrapped(
    token: OpenToken, *, is_extractable: bool
) -> None:
    stored = token.keys.oprf_keys.generate(resident=False)
    assert stored.wrapped is not None
    plain = PlainOperations(wrap_mechanism(token.session), Quirks())
    wrapping_key = token.keys.wrap_keys.unwrapping_key(0)
    key = plain.unwrap(wrapping_key, stored.wrapped, b"", is_extractable=is_extractable)
    assert plain.key(key) is key
    assert plain.is_non_extractable(key) != is_extractable
    assert plain.multiply(key, GENERATOR.encode_uncompressed()) == stored.public_key[1:]
    plain.destroy(key)
    with pytest.raises(TokenError):
        plain.destroy(key)
    with pytest.raises(TokenError):
        plain.unwrap(wrapping_key, bytes(48), b"")
