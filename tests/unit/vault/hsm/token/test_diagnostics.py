"""Findings about a token; `tests/contract/hsm/test_diagnostics.py` has both tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pkcs11.exceptions import FunctionFailed
from pools import with_pin_of_its_own

from strongroom_vault.hsm.token import checks, vault_keys
from strongroom_vault.hsm.token.checks import CheckFailed, CheckNote
from strongroom_vault.hsm.token.diagnostics import BOTH, Finding, _try, diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm


def test_a_token_that_does_not_open_is_the_only_finding(softhsm: SoftHsm, tmp_path: Path) -> None:
    settings, pin = with_pin_of_its_own(softhsm, tmp_path)
    pin.write_text("wrong")
    (finding,) = diagnose(settings)
    assert (finding.check, finding.state, finding.needed_for) == ("open", "failed", BOTH)
    assert "Do not try PINs" in finding.hint


def test_keys_that_cannot_be_made_end_what_needs_them(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise FunctionFailed

    monkeypatch.setattr(vault_keys, "create_missing_keys", refuse)
    findings = {finding.check: finding for finding in diagnose(softhsm.settings())}
    assert findings["open"].state == "ok"
    assert (findings["make keys"].state, findings["make keys"].detail) == (
        "failed",
        "FunctionFailed",
    )
    assert "identity key" not in findings


@pytest.mark.parametrize(
    ("raised", "state"), [(None, "ok"), (CheckNote("why"), "note"), (CheckFailed("why"), "failed")]
)
def test_whatever_a_check_says_is_a_finding(raised: Exception | None, state: str) -> None:
    def check(_token: object) -> str:
        if raised is not None:
            raise raised
        return "why"

    finding = _try("a check", check, checks, needed_for=("token",), meaning="It is bad.")
    assert (finding.check, finding.state, finding.detail) == ("a check", state, "why")
    is_failed = state == "failed"
    assert (finding.meaning, finding.needed_for) == (
        ("It is bad.", ("token",)) if is_failed else ("", ())
    )
    assert isinstance(finding, Finding)
