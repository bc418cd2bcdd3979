"""A token is opened with a PIN from a file that its owner alone can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError, WrongPin
from strongroom_vault.hsm.token.open_token import open_token, read_pin
from strongroom_vault.hsm.token.vault_keys import create_missing_keys
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm

    from strongroom_vault.hsm.token.open_token import OpenToken


def test_it_is_open_before_it_has_keys(bare_token: OpenToken) -> None:
    assert bare_token.anchor.read() is None
    with pytest.raises(OperatorError, match=r"strongroom\.unit\.root"):
        _ = bare_token.keys
    create_missing_keys(bare_token.session, bare_token.labels)
    assert bare_token.keys is bare_token.keys
    assert bare_token.keys.wrap_keys.numbers() == (0,)


def test_a_wrong_pin_is_told_from_all_else(softhsm: SoftHsm, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text("wrong")
    settings = TokenSettings(softhsm.module, softhsm.label, str(pin))
    with pytest.raises(WrongPin), open_token(settings):
        pytest.fail("opened with a wrong PIN")


def test_a_pin_is_read_without_its_line_end(tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_bytes(b" 1234 \r\n")
    assert read_pin(pin) == " 1234 "
    for spoilt, problem in (
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "not UTF-8"),
        (b"PIN:\n1234\n", "more than one line"),
        ("1234".encode("utf-16-le"), "not text"),
    ):
        pin.write_bytes(spoilt)
        with pytest.raises(OperatorError, match=rf"^\[token\] pin_file .*{pin}.*{problem}"):
            read_pin(pin)
    pin.write_bytes(b"\xef\xbb\xbf1234")
    assert read_pin(pin) == "1234"
    pin.write_bytes(b"1234")
    pin.chmod(0o644)
    with pytest.raises(OperatorError):
        read_pin(pin)
    with pytest.raises(OperatorError, match="does not exist"):
        read_pin(tmp_path / "none")
