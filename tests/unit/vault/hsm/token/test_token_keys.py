"""The vault's keys, found once: all of them, or the missing one is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pkcs11 import ObjectClass

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.token_keys import TokenKeys
from strongroom_vault.hsm.token.vault_keys import find_one

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def test_secrets_depend_on_their_labels_alone(token: OpenToken) -> None:
    again = TokenKeys(token.session, token.module, token.labels)
    one, two = (token.keys.derive_secret(label) for label in ("one", "two"))
    assert (again.derive_secret("one"), len(one)) == (one, 32)
    assert one != two
    assert again.identity.public_key == token.keys.identity.public_key


def test_a_missing_key_is_named(token: OpenToken) -> None:
    find_one(token.session, token.labels.identity, ObjectClass.PRIVATE_KEY).destroy()
    with pytest.raises(OperatorError, match=r"PRIVATE_KEY .* strongroom\.unit\.identity"):
        TokenKeys(token.session, token.module, token.labels)
