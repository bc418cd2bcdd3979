"""Which way the hot operations take, and with which mechanism keys are wrapped."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Mechanism

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import hot_operations as hot
from strongroom_vault.hsm.token import quirks
from strongroom_vault.hsm.token.native import NativeOperations, NotOurInstance
from strongroom_vault.hsm.token.plain import PlainOperations

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken


def session_with(*mechanisms: Mechanism) -> Any:
    slot = SimpleNamespace(get_mechanisms=lambda: set(mechanisms))
    return SimpleNamespace(token=SimpleNamespace(slot=slot))


def test_softhsm_is_called_directly(bare_token: OpenToken) -> None:
    made = hot.hot_operations(bare_token.session, bare_token.module)
    assert isinstance(made, NativeOperations)


def test_a_module_with_instances_of_its_own_is_called_through_python_pkcs11(
    bare_token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(module: str, *_arguments: object) -> None:
        raise NotOurInstance(module)

    monkeypatch.setattr(hot, "NativeOperations", refuse)
    made = hot.hot_operations(bare_token.session, bare_token.module)
    assert isinstance(made, PlainOperations)


def test_a_module_that_needs_the_point_is_called_through_python_pkcs11(
    bare_token: OpenToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quirks, "of", lambda _token: quirks.Quirks("?", quirks.CKA_NSS_DB))
    made = hot.hot_operations(bare_token.session, bare_token.module)
    assert isinstance(made, PlainOperations)


def test_the_older_mechanism_is_preferred_and_one_is_needed() -> None:
    both = session_with(Mechanism.AES_KEY_WRAP_KWP, Mechanism.AES_KEY_WRAP_PAD)
    assert hot.wrap_mechanism(both) is Mechanism.AES_KEY_WRAP_PAD
    newer = session_with(Mechanism.AES_KEY_WRAP_KWP)
    assert hot.wrap_mechanism(newer) is Mechanism.AES_KEY_WRAP_KWP
    with pytest.raises(OperatorError, match="AES_KEY_WRAP_PAD, AES_KEY_WRAP_KWP"):
        hot.wrap_mechanism(session_with(Mechanism.AES_KEY_WRAP))
