"""The doctor's checks on tokens that lie; `contract/hsm/test_diagnostics.py` has good ones."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.exceptions import AttributeValueInvalid, FunctionFailed

from strongroom_vault.hsm.token import checks
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.hsm.token.checks import CheckFailed, CheckNote
from strongroom_vault.hsm.token.objects import as_object

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken
    from strongroom_vault.ledger.head import Anchored


def test_a_missing_mechanism_is_named(token: OpenToken) -> None:
    assert "ECDH1_DERIVE" in checks.mechanisms(token.session)
    slot = SimpleNamespace(get_mechanisms=lambda: {Mechanism.ECDH1_DERIVE, Mechanism.AES_KEY_GEN})
    poor: Any = SimpleNamespace(token=SimpleNamespace(slot=slot))
    with pytest.raises(CheckFailed, match=r"missing: EC_KEY_PAIR_GEN, .*SHA256_HMAC"):
        checks.mechanisms(poor)


def test_a_token_that_lets_no_key_in_is_no_worse() -> None:
    def refuse(_template: object) -> None:
        raise AttributeValueInvalid

    closed: Any = SimpleNamespace(create_object=refuse)
    with pytest.raises(CheckNote, match="AttributeValueInvalid"):
        checks.known_answers(closed, "module")


def test_a_key_that_survives_its_destruction_is_a_failure(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "destroyed" in checks.resident_keys(token.keys)
    monkeypatch.setattr(token.keys.oprf_keys, "destroy", lambda _public_key: True)
    with pytest.raises(CheckFailed, match="still there"):
        checks.resident_keys(token.keys)


def test_an_anchor_that_goes_back_is_a_failure(
    bare_token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "CKA_ID" in checks.anchor(bare_token.session)

    def any_value(_self: AnchorSlots, _expected: object, new: Anchored) -> Anchored:
        return new

    monkeypatch.setattr(AnchorSlots, "advance", any_value)
    with pytest.raises(CheckFailed, match="old value"):
        checks.anchor(bare_token.session)
    monkeypatch.undo()
    AnchorSlots(bare_token.session, checks.LABELS.anchor).remove()


def test_an_error_without_words_is_its_name() -> None:
    assert checks.describe(FunctionFailed()) == "FunctionFailed"
    assert checks.describe(ValueError("why")) == "why"


def test_another_way_or_answer_than_the_best_is_told(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "straight" in checks.fast_path(token.session, token.module)
    assert "both evaluations" in checks.known_answers(token.session, token.module)
    monkeypatch.setattr(checks, "_RFC_9497", (checks._RFC_9497[0][::-1],))
    with pytest.raises(CheckFailed, match="the answer is not"):
        checks.known_answers(token.session, token.module)
    monkeypatch.setattr(checks, "hot_operations", lambda *_: object())
    with pytest.raises(CheckNote, match="a third more"):
        checks.fast_path(token.session, token.module)


def test_a_key_that_is_not_wrapped_or_unwraps_from_anything_is_a_failure(
    token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "damage is refused" in checks.wrapped_keys(token.keys)
    keys = token.keys.oprf_keys
    good = keys.generate(resident=False)
    monkeypatch.setattr(keys, "generate", lambda **_: good)
    lend = keys.lend
    monkeypatch.setattr(keys, "lend", lambda _stored: lend(good))
    with pytest.raises(CheckFailed, match="random bytes"):
        checks.wrapped_keys(token.keys)
    monkeypatch.undo()
    resident = keys.generate(resident=True)
    monkeypatch.setattr(keys, "generate", lambda **_: resident)
    with pytest.raises(CheckFailed, match="not wrapped"):
        checks.wrapped_keys(token.keys)


def test_a_key_that_can_be_extracted_is_a_failure(bare_token: OpenToken) -> None:
    template = {Attribute.SENSITIVE: False, Attribute.EXTRACTABLE: True}
    made = bare_token.session.generate_key(KeyType.AES, 256, store=False, template=template)
    with pytest.raises(CheckFailed, match="extractable"):
        checks._attributes_of(as_object(made))
