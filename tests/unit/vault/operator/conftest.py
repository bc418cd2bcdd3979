"""Vaults that are made in this process, with the token that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from made_vault import MadeVault
from vault_process import prepare_vault

from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.operator import init

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm, VaultFolder


@pytest.fixture
def before_init(softhsm: SoftHsm, tmp_path: Path) -> VaultFolder:
    """A token with a vault's keys and without an anchor, and no store."""
    with open_token(softhsm.settings()) as token:
        vault_keys.create_missing_keys(token.session)
        token.anchor.remove()
    return prepare_vault(tmp_path / "vault", softhsm)


@pytest.fixture
def made(before_init: VaultFolder) -> MadeVault:
    """A vault whose store nobody has used."""
    settings = before_init.settings()
    init.carry_out(settings, init.make_plan(settings), new_store=False)
    return MadeVault(settings)
