"""The demo's people: their devices, and how they type."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import jwt

from strongroom_vault.demo import people
from strongroom_vault.demo.people import Device
from strongroom_vault.demo.throwaway import VAULT_ID, ThrowAwayVault
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    import pytest


def test_a_device_keeps_what_is_its_own(tmp_path: Path) -> None:
    phone, laptop = (Device.at(tmp_path / name) for name in ("phone", "laptop"))
    assert phone.environment["STRONGROOM_HOME"] == str(tmp_path / "phone" / "home")
    assert laptop.environment["STRONGROOM_HOME"] == str(tmp_path / "laptop" / "home")
    assert "STRONGROOM_INVITE" not in phone.environment
    assert Device.at(tmp_path / "phone") == phone


def test_who_signs_in_gets_an_invite_and_an_access_token(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    issuer.create_issuer(tmp_path / "vault")
    phone = Device.at(tmp_path / "phone")
    phone.sign_in(ThrowAwayVault(tmp_path / "vault", "strongroom1abc"), "alice")
    assert phone.environment["STRONGROOM_INVITE"] == "strongroom1abc"
    token = Path(phone.environment["STRONGROOM_ACCESS_TOKEN_FILE"]).read_text()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("alice", VAULT_ID)


def test_what_is_typed_comes_as_a_line_through_a_descriptor() -> None:
    with people._typing("seven brown foxes") as descriptor:
        assert os.read(descriptor, 100) == b"seven brown foxes\n"
        assert os.read(descriptor, 100) == b""


def test_a_command_is_shown_with_what_is_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    phone = Device.at(tmp_path / "phone")
    said = phone.run("restore", "none.age", typed="seven foxes", exit_code=1)
    shown = capsys.readouterr().out
    assert "none.age" in said
    assert "strongroom restore none.age" in shown
    assert "seven foxes" in shown
