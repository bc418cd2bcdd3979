"""A service of each kind: with OPRF keys in records, and with OPRF keys in the token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from services import World, open_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from vault_process import SoftHsm


@pytest.fixture(params=["wrapped", "token"])
async def world(
    tmp_path: Path, softhsm: SoftHsm, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    makes_resident_keys = request.param == "token"
    async with open_world(tmp_path, softhsm, makes_resident_keys=makes_resident_keys) as world:
        yield world
