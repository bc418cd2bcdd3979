"""Why a token cannot be opened; `tests/integration/test_token_hints.py` has real ones."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import TokenFlag
from pkcs11.exceptions import (
    DeviceRemoved,
    FunctionFailed,
    MultipleTokensReturned,
    NoSuchToken,
    PinIncorrect,
    PinLocked,
    UserPinNotInitialized,
)

from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.hsm.token import open_errors
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "[token] module (STRONGROOM_VAULT_TOKEN_MODULE)"
SETTINGS = TokenSettings("/usr/lib/vendor.so", "vault", "/run/pin")


def library(*tokens: tuple[str, TokenFlag]) -> Any:
    slots = [
        SimpleNamespace(
            get_token=lambda label=label, flags=flags: SimpleNamespace(label=label, flags=flags)
        )
        for label, flags in tokens
    ]
    return SimpleNamespace(get_slots=lambda *, token_present: slots if token_present else [])


@pytest.mark.parametrize(
    ("error", "kind", "hint"),
    [
        (PinIncorrect(), WrongPin, "Do not try PINs"),
        (PinLocked(), WrongPin, "security officer resets it"),
        (UserPinNotInitialized(), OperatorError, "--init-pin"),
        (NoSuchToken(), OperatorError, "The module has 'one': "),
        (MultipleTokensReturned(), OperatorError, "must name one token"),
        (DeviceRemoved(), OperatorError, "strongroom-vault doctor"),
    ],
)
def test_each_refusal_names_what_helps(error: Any, kind: type[OperatorError], hint: str) -> None:
    tokens = library(("one  ", TokenFlag.TOKEN_INITIALIZED), ("bare", TokenFlag(0)))
    refused = open_errors.refused(SETTINGS, tokens, error)
    assert type(refused) is kind
    assert hint in refused.hint


def test_a_module_without_tokens_is_told_from_one_that_lists_none() -> None:
    def fail(*, token_present: bool) -> None:
        raise FunctionFailed(token_present)

    empty = open_errors.refused(SETTINGS, library(), NoSuchToken())
    assert "no token that is initialised" in empty.hint
    broken: Any = SimpleNamespace(get_slots=fail)
    unlisted = open_errors.refused(SETTINGS, broken, NoSuchToken())
    assert "lists no tokens (FunctionFailed)" in unlisted.hint


def test_a_module_that_is_missing_is_told_from_one_that_does_not_load(tmp_path: Path) -> None:
    missing = TokenSettings(str(tmp_path / "none.so"), "vault", "/run/pin")
    said = str(open_errors.no_module(missing, OSError()))
    assert said == f"{MODULE}: there is no PKCS#11 module at {missing.module}"
    module = tmp_path / "some.so"
    module.touch()
    there = TokenSettings(str(module), "vault", "/run/pin")
    refused = open_errors.no_module(there, OSError(f"{module}: file too short"))
    assert str(refused) == f"{MODULE}: cannot load the module {module}: file too short"
    assert "must name the PKCS#11 module" in refused.hint


def test_a_pipe_is_not_loaded(tmp_path: Path) -> None:
    """The loader would wait for a writer for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OperatorError) as caught:
        open_errors.refuse_pipe(TokenSettings(str(pipe), "vault", "/run/pin"))
    assert str(caught.value) == f"{MODULE}: {pipe} is a pipe, socket or device, not a module"
    open_errors.refuse_pipe(TokenSettings(str(tmp_path / "none"), "vault", "/run/pin"))


def test_softhsm_is_told_where_it_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "libsofthsm2.so"
    module.touch()
    settings = TokenSettings(str(module), "vault", "/run/pin")
    conf = tmp_path / "softhsm2.conf"
    for text, hint in (
        (None, "which cannot be read"),
        (f"directories.tokendir = {tmp_path}", "SoftHSM looks where"),
        (f"directories.tokendir = {tmp_path}/none", "cannot use its tokens' folder"),
    ):
        if text is not None:
            conf.write_text(text)
        monkeypatch.setenv("SOFTHSM2_CONF", str(conf))
        assert hint in open_errors.no_module(settings, FunctionFailed()).hint
    monkeypatch.delenv("SOFTHSM2_CONF")
    assert "is not set" in open_errors.no_module(settings, FunctionFailed()).hint
