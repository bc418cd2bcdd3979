"""The other side of the interoperability tests, where node and npm are there to run it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import opaque_p256_peer
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def peer() -> Iterator[opaque_p256_peer.Peer]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm on this machine")
    opaque_p256_peer.install()
    process = opaque_p256_peer.Peer()
    yield process
    process.close()
