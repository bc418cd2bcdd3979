"""The anchor's two slots; `tests/contract/hsm/test_anchor.py` has both tokens, and kills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pkcs11 import Attribute

from strongroom_vault.hsm.token.anchor_slots import newest
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.objects import find_objects
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.objects import TokenObject
    from strongroom_vault.hsm.token.open_token import OpenToken

FIRST, SECOND, THIRD = (Anchored(epoch, bytes([epoch]) * 32) for epoch in (1, 2, 3))


def test_the_newest_value_has_the_highest_epoch() -> None:
    assert newest([FIRST, SECOND]) == SECOND
    assert newest([None, FIRST]) == FIRST
    assert newest([None, None]) is None


def test_it_moves_from_what_is_expected_alone(bare_token: OpenToken) -> None:
    anchor = bare_token.anchor
    assert anchor.read() is None
    assert anchor.advance(FIRST, SECOND) is None
    assert anchor.advance(None, FIRST) == FIRST
    assert anchor.advance(FIRST, SECOND) == SECOND
    assert anchor.advance(FIRST, THIRD) == SECOND
    assert list(anchor.read_slots().values()) == [FIRST, SECOND]
    anchor.remove()
    assert anchor.read() is None


def test_a_token_that_drops_what_is_written_is_noticed(
    bare_token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchor = bare_token.anchor
    anchor.replace(FIRST)

    def drop(_label: str, slot: list[TokenObject], _value: Anchored) -> TokenObject:
        return slot[0]

    monkeypatch.setattr(anchor, "_write", drop)
    with pytest.raises(TokenError, match="does not keep"):
        anchor.advance(FIRST, SECOND)


def test_a_value_in_the_other_slot_is_damage(bare_token: OpenToken) -> None:
    bare_token.anchor.replace(FIRST)
    for label in bare_token.labels.anchor:
        (slot,) = find_objects(bare_token.session, {Attribute.LABEL: label})
        slot[Attribute.ID] = SECOND.encode() + b"?"
    assert set(bare_token.anchor.read_slots().values()) == {None}
