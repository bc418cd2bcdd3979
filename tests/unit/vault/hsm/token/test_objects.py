"""Objects of a token: found, copied into the session, destroyed whatever happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Attribute
from pkcs11.exceptions import AttributeTypeInvalid

from strongroom_vault.hsm.token.objects import destroyed, find_objects, session_copy

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def test_a_session_copy_is_no_object_of_the_token(token: OpenToken) -> None:
    (root,) = find_objects(token.session, {Attribute.LABEL: token.labels.root})
    copy = session_copy(root)
    assert copy.handle != root.handle
    assert (root[Attribute.TOKEN], copy[Attribute.TOKEN]) == (True, False)
    with pytest.raises(ZeroDivisionError), destroyed(copy):
        assert 1 // 0
    assert len(find_objects(token.session, {Attribute.LABEL: token.labels.root})) == 1


def test_a_token_that_copies_nothing_lends_the_key_itself() -> None:
    class Uncopyable:
        def copy(self, _template: object) -> None:
            raise AttributeTypeInvalid

    key: Any = Uncopyable()
    assert session_copy(key) is key
