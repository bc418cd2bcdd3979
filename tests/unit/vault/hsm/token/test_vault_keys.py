"""The vault's keys in the token: made once, found by label, and never a second time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pkcs11 import Attribute, ObjectClass

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import vault_keys

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def test_what_is_missing_is_made_and_the_rest_left_alone(bare_token: OpenToken) -> None:
    session, labels = bare_token.session, bare_token.labels
    everything = sorted({labels.wrap, labels.identity, labels.root})
    assert vault_keys.missing_labels(session, labels) == everything
    vault_keys.create_missing_keys(session, labels)
    assert vault_keys.missing_labels(session, labels) == []
    assert vault_keys.existing_labels(session, labels) == everything
    root = vault_keys.find_one(session, labels.root, ObjectClass.SECRET_KEY)
    vault_keys.find_one(session, labels.wrap, ObjectClass.SECRET_KEY).destroy()
    vault_keys.create_missing_keys(session, labels)
    again = vault_keys.find_one(session, labels.root, ObjectClass.SECRET_KEY)
    assert again.handle == root.handle
    assert list(vault_keys.find_wrap_keys(session, labels)) == [0]


def test_no_key_can_be_extracted(token: OpenToken) -> None:
    for label, kind in token.labels.keys:
        if kind is not ObjectClass.PUBLIC_KEY:
            key = vault_keys.find_one(token.session, label, kind)
            assert (key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE]) == (True, False)


def test_half_of_a_key_pair_is_not_completed(token: OpenToken) -> None:
    """The other half would be that of another key."""
    identity = token.labels.identity
    vault_keys.find_one(token.session, identity, ObjectClass.PUBLIC_KEY).destroy()
    with pytest.raises(OperatorError, match=r"half of the key pair strongroom\.unit\.identity"):
        vault_keys.create_missing_keys(token.session, token.labels)


def test_wrap_keys_are_found_by_number(token: OpenToken) -> None:
    vault_keys.make_wrap_key(token.session, 7, token.labels)
    assert list(vault_keys.find_wrap_keys(token.session, token.labels)) == [0, 7]
    with pytest.raises(OperatorError, match="2 objects"):
        vault_keys.find_one(token.session, token.labels.wrap, ObjectClass.SECRET_KEY)


def test_a_token_without_keys_is_told_from_one_with_too_many(bare_token: OpenToken) -> None:
    with pytest.raises(OperatorError) as none:
        vault_keys.find_wrap_keys(bare_token.session, bare_token.labels)
    assert "init makes the keys" in none.value.hint
    for _ in range(2):
        vault_keys.make_wrap_key(bare_token.session, 1, bare_token.labels)
    with pytest.raises(OperatorError) as twice:
        vault_keys.find_wrap_keys(bare_token.session, bare_token.labels)
    assert twice.value.hint == ""
