"""Which URLs are on this machine, so that no proxy may be asked for them."""

from __future__ import annotations

import pytest

from strongroom_vault.platform.loopback import is_loopback


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://localhost:4317", True),
        ("http://LOCALHOST.:4317", True),
        ("https://127.0.0.1/jwks", True),
        ("https://127.8.8.8/jwks", True),
        ("http://[::1]:4317", True),
        ("https://issuer.example/jwks", False),
        ("https://localhost.example/", False),
        ("http://10.0.0.1:4317", False),
        ("http://[::1", False),
        ("not a URL", False),
    ],
)
def test_a_url(url: str, *, expected: bool) -> None:
    assert is_loopback(url) is expected
