"""Vaults that do not run, for what operators do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import made_vault
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import SoftHsm, VaultFolder


@pytest.fixture
def before_init(softhsm: SoftHsm, tmp_path: Path) -> VaultFolder:
    """A token with a vault's keys and without an anchor, and no store."""
    return made_vault.before_init(tmp_path / "vault", softhsm)


@pytest.fixture
def made(softhsm: SoftHsm, tmp_path: Path) -> made_vault.MadeVault:
    """A vault whose store nobody has used."""
    return made_vault.made_vault(tmp_path / "vault", softhsm)
