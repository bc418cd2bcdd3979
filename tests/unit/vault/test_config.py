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
