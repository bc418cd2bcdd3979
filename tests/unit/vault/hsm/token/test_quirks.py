"""A token is known by what it says of itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from strongroom_vault.hsm.token import quirks


def token(manufacturer: str, model: str) -> Any:
    return SimpleNamespace(manufacturer_id=manufacturer, model=model)


def test_nss_needs_the_public_point_and_nobody_else() -> None:
    assert quirks.of(token("Mozilla Foundation", "NSS 3")).point_to_unwrap == quirks.CKA_NSS_DB
    assert quirks.of(token("Mozilla Foundation", "other")) == quirks.Quirks()
    assert quirks.of(token("SoftHSM project", "SoftHSM v2")) == quirks.Quirks()
