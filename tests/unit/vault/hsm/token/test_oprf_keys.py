"""OPRF keys: made, lent, wrapped again, destroyed. `tests/contract/hsm/test_token.py` has more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from pkcs11.exceptions import ObjectHandleInvalid

from strongroom_protocol.opaque.group import GENERATOR, add
from strongroom_vault.hsm.token import anchor_slots, oprf_keys
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError
from strongroom_vault.hsm.token.objects import find_objects

if TYPE_CHECKING:
    from pkcs11 import Session

    from strongroom_vault.hsm.token.objects import Template, TokenObject
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


def test_a_key_that_is_destroyed_while_it_is_lent_is_gone_and_the_session_is_not(
    token: OpenToken,
) -> None:
    keys = token.keys.oprf_keys
    stored, other = (keys.generate(resident=True) for _ in range(2))

    def evaluate_too_late() -> None:
        with keys.lend(stored) as lent:
            assert keys.destroy(stored.public_key)  # as another worker may
            lent.evaluate(add(GENERATOR, GENERATOR))

    with pytest.raises(KeyNotFound) as gone:
        evaluate_too_late()
    assert not gone.value.is_session_lost
    with keys.lend(other) as lent:
        assert lent.evaluate(GENERATOR).encode() == other.public_key


@pytest.mark.parametrize("lost", [False, True])
def test_a_key_that_is_destroyed_while_keys_are_found(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    keys = token.keys.oprf_keys
    stored = keys.generate(resident=True)
    calls: list[object] = []

    def find(session: Session, template: Template) -> list[TokenObject]:
        calls.append(template)
        if lost or len(calls) == 1:
            raise ObjectHandleInvalid
        return find_objects(session, template)

    monkeypatch.setattr(oprf_keys, "find_objects", find)
    if lost:
        with pytest.raises(TokenError) as refused:
            keys.list_resident()
        assert refused.value.is_session_lost
    else:
        assert keys.list_resident() == (stored.public_key,)


def test_a_session_that_is_lost_while_a_key_is_lent_is_lost(token: OpenToken) -> None:
    keys = token.keys.oprf_keys
    stored = keys.generate(resident=True)
    lost = TokenError("C_DeriveKey: CKR 0xe0", is_session_lost=True)
    with pytest.raises(TokenError) as raised, keys.lend(stored):
        raise lost
    assert raised.value is lost


@pytest.mark.parametrize("job", ["destroy", "list"])
def test_a_key_that_another_worker_destroys_first_is_gone_and_the_session_is_not(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch, job: str
) -> None:
    keys = token.keys.oprf_keys
    stored, other = (keys.generate(resident=True) for _ in range(2))
    find = keys._find
    found = [find(stored.public_key if job == "destroy" else None)]
    assert keys.destroy(stored.public_key)
    monkeypatch.setattr(keys, "_find", lambda *which: found.pop() if found else find(*which))
    if job == "destroy":
        assert keys.destroy(stored.public_key)  # it was there
    assert keys.list_resident() == (other.public_key,)
    assert not found


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
