"""The hot operations on the module's function list give what python-pkcs11 gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import ObjectClass

from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.hot_operations import wrap_mechanism
from strongroom_vault.hsm.token.native import NativeOperations, NotOurInstance
from strongroom_vault.hsm.token.plain import PlainOperations
from strongroom_vault.hsm.token.quirks import Quirks
from strongroom_vault.hsm.token.vault_keys import find_one

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken

POINT = add(GENERATOR, GENERATOR).encode_uncompressed()


def native(token: OpenToken, session: int | None = None) -> NativeOperations:
    handle: Any = token.session
    number = handle.handle if session is None else session
    return NativeOperations(token.module, number, wrap_mechanism(token.session).value)


def test_both_ways_multiply_alike(token: OpenToken) -> None:
    private = find_one(token.session, token.labels.identity, ObjectClass.PRIVATE_KEY)
    hot, plain = native(token), PlainOperations(wrap_mechanism(token.session), Quirks())
    x = hot.multiply(hot.key(private), POINT)
    assert x == plain.multiply(private, POINT)
    assert len(x) == 32
    assert hot.is_non_extractable(hot.key(private))


def test_a_wrapped_key_is_unwrapped_used_and_destroyed(token: OpenToken) -> None:
    stored = token.keys.oprf_keys.generate(resident=False)
    assert stored.wrapped is not None
    hot = native(token)
    wrapping_key = token.keys.wrap_keys.unwrapping_key(0)
    key = hot.unwrap(wrapping_key, stored.wrapped, b"")
    assert hot.multiply(key, GENERATOR.encode_uncompressed()) == stored.public_key[1:]
    assert hot.is_non_extractable(key)
    hot.destroy(key)
    with pytest.raises(TokenError, match="CKR 0x82") as gone:
        hot.destroy(key)
    assert gone.value.is_session_lost
    with pytest.raises(TokenError, match="C_UnwrapKey") as refused:
        hot.unwrap(wrapping_key, bytes(48), b"")
    assert not refused.value.is_session_lost


def test_a_session_that_the_functions_do_not_know_is_refused(token: OpenToken) -> None:
    with pytest.raises(NotOurInstance):
        native(token, session=987_654)
