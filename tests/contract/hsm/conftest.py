"""Every contract of `hsm/` holds on both tokens: SoftHSM, and NSS softokn through p11-kit."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nss import make_nss
from vault_process import make_softhsm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from token_child import AnyToken


@pytest.fixture(params=["softhsm", "nss"])
def empty_token(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyToken]:
    """A token without a vault's keys."""
    if request.param == "softhsm":
        yield make_softhsm(tmp_path / "token")
        return
    folder = Path(tempfile.mkdtemp(prefix="strongroom-nss-"))
    yield make_nss(folder)
    shutil.rmtree(folder)
