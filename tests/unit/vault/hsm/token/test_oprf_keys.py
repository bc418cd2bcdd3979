"""OPRF keys: made, lent, wrapped again, destroyed. `tests/contract/hsm/test_token.py` has more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.opaque.group import GENERATOR
from strongroom_vault.hsm.token import anchor_slots
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


@pytest.mark.parametrize("resident", [False, True])
def test_a_key_is_lent_as_the_record_knows_it(token: OpenToken, *, resident: bool) -> None:
    keys = token.keys.oprf_keys
    stored = keys.generate(resident=resident)
    with keys.lend(stored) as lent:
        assert lent.evaluate(GENERATOR).encode() == stored.public_key
    assert keys.list_resident() == ((stored.public_key,) if resident else ())
    assert keys.destroy(stored.public_key) == resident
    assert keys.list_resident() == ()


def test_a_resident_key_is_looked_for_again_before_it_is_missing(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = token.keys.oprf_keys
    stored = keys.generate(resident=True)
    find, looks = keys._find, list[bytes | None]()

    def hidden_at_first(public_key: bytes | None = None) -> object:
        looks.append(public_key)
        return find(public_key) if len(looks) > 2 else []

    monkeypatch.setattr(keys, "_find", hidden_at_first)
    monkeypatch.setattr(anchor_slots, "RETRY_S", 0.001)
    with keys.lend(stored) as lent:
        assert lent.evaluate(GENERATOR).encode() == stored.public_key
    assert len(looks) == 3
    monkeypatch.undo()
    assert keys.destroy(stored.public_key)
    with pytest.raises(KeyNotFound), keys.lend(stored):
        pytest.fail("a destroyed key was lent")


def test_a_key_that_is_wrapped_again_is_checked_to_be_the_records(token: OpenToken) -> None:
    keys = token.keys.oprf_keys
    stored, other = (keys.generate(resident=False) for _ in range(2))
    token.keys.wrap_keys.make((0,))
    again = keys.rewrap(stored)
    assert (again.public_key, again.wrap_key) == (stored.public_key, 1)
    with keys.lend(again) as lent:
        assert lent.evaluate(GENERATOR).encode() == stored.public_key
    with pytest.raises(TokenError, match=r"another|record's"):
        keys.rewrap(replace(stored, wrapped=other.wrapped))
    with pytest.raises(TokenError, match="not wrapped"):
        keys.rewrap(replace(stored, wrapped=None))
