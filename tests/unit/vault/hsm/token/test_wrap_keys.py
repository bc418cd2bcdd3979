"""The wrap keys of one session, while another makes and destroys them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.vault_keys import find_wrap_keys, make_wrap_key
from strongroom_vault.hsm.token.wrap_keys import TokenWrapKeys

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def test_what_another_worker_does_is_seen_when_it_matters(token: OpenToken) -> None:
    ours, other = (TokenWrapKeys(token.session, token.labels) for _ in range(2))
    other.make((0,))
    other.make((0, 1))  # a rotation has two keys at most
    assert (ours.numbers(), other.numbers()) == ((0,), (0, 1))
    ours.unwrapping_key(1)
    assert (ours.numbers(), ours.newest) == ((0, 1), 1)
    other.destroy({0, 1})
    assert other.numbers() == (1,)
    ours.refresh()
    assert ours.numbers() == (1,)
    with pytest.raises(TokenError, match="wrap key 0 is not in the token"):
        ours.unwrapping_key(0)


@pytest.mark.parametrize("known", [(), (1,), (0, 1), (0, 1, 2)])
def test_a_session_that_sees_other_keys_than_others_makes_none(
    token: OpenToken, known: tuple[int, ...]
) -> None:
    """It may have lost sight of one, whose number it would give to a second key."""
    keys = TokenWrapKeys(token.session, token.labels)
    with pytest.raises(TokenError, match=r"sees the wrap keys \[0\], others see"):
        keys.make(known)
    assert list(find_wrap_keys(token.session, token.labels)) == [0]


def test_three_are_an_error(token: OpenToken) -> None:
    for number in (1, 2):
        make_wrap_key(token.session, number, token.labels)
    with pytest.raises(OperatorError, match="3 objects"):
        TokenWrapKeys(token.session, token.labels)
