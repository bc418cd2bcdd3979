"""A SoftHSM token that is there whole or not at all."""

from __future__ import annotations

import stat
import tempfile
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import softhsm

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_is_made_once(tmp_path: Path) -> None:
    left = tmp_path / ".token-draft-killed"
    left.mkdir()
    token = softhsm.ensure_token(tmp_path / "token")
    assert [path.name for path in tmp_path.iterdir()] == ["token"]
    assert token.module.is_file()
    assert stat.S_IMODE(token.pin_file.stat().st_mode) == 0o600
    conf = token.folder / "softhsm2.conf"
    assert token.environment == {"SOFTHSM2_CONF": str(conf)}
    assert f"directories.tokendir = {token.folder}/" in conf.read_text()
    pin = token.pin_file.read_text()
    assert softhsm.ensure_token(tmp_path / "token") == token
    assert token.pin_file.read_text() == pin


def test_a_folder_that_is_another_thing(tmp_path: Path) -> None:
    (tmp_path / "token").mkdir()
    with pytest.raises(OperatorError, match="not a token that was made here"):
        softhsm.ensure_token(tmp_path / "token")


def test_a_machine_without_softhsm_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(OperatorError, match="softhsm2"):
        softhsm.ensure_token(tmp_path / "token")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.parametrize(("name", "is_good"), [("good", True), ("a#b", False), ("a\nb", False)])
def test_softhsm_cannot_read_every_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, is_good: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / name))
    assert softhsm.usable_tmp() == (str(tmp_path / name) if is_good else "/tmp")  # noqa: S108
