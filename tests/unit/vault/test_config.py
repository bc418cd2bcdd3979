"""Settings from a file and the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from strongroom_vault import config
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
[vault]
id = "vault.test"
[token]
module = "module.so"
label = "label"
pin_file = "pin"
[store]
path = "vault.db"
[listen]
address = "localhost:0"
certificate_file = "crt"
key_file = "key"
admin_socket = "sock"
[access_tokens]
jwks_file = "jwks"
"""


def test_an_orchestrators_variables_are_no_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes gives such to every container beside a service named strongroom-vault."""
    monkeypatch.setenv("STRONGROOM_VAULT_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("STRONGROOM_VAULT_PORT", "tcp://10.0.0.1:7443")
    monkeypatch.setenv("STRONGROOM_VAULT_CONFIG", str(tmp_path / "strongroom-vault.toml"))
    (tmp_path / "strongroom-vault.toml").write_text(SETTINGS)
    monkeypatch.setenv("STRONGROOM_VAULT_TOKEN_LABEL", "another")
    settings = config.load(tmp_path / "strongroom-vault.toml", os.environ)
    assert settings.token.label == "another"
    monkeypatch.setenv("STRONGROOM_VAULT_TOKEN_LABLE", "a slip")
    with pytest.raises(OperatorError, match="TOKEN_LABLE names no setting"):
        config.load(tmp_path / "strongroom-vault.toml", os.environ)


@pytest.mark.parametrize("odd", ["limit = " + "9" * 5000, "limit = " + "[" * 5000, "\0"])
def test_a_file_that_is_no_toml_in_an_odd_way(tmp_path: Path, odd: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS + odd)
    with pytest.raises(OperatorError, match="cannot read the settings"):
        config.load(path, {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OperatorError, match="cannot read the settings"):
        config.load(path, {})


def test_a_number_of_many_digits_in_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS)
    with pytest.raises(OperatorError, match="in the settings"):
        config.load(path, {"STRONGROOM_VAULT_VAULT_ATTEMPT_LIMIT": "9" * 5000})
