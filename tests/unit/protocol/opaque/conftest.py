"""For all tests of OPAQUE: both ways to multiply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.opaque import group

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["libcrypto", "cryptography"], autouse=True, scope="module")
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test of OPAQUE runs on both ways to multiply."""
    found = group.LIBCRYPTO
    assert found is not None, "these tests need libcrypto.so.3"
    if request.param == "cryptography":
        group.LIBCRYPTO = None
    yield request.param
    group.LIBCRYPTO = found
