"""HKDF and HMAC against the RFCs' own vectors, and HKDF against another implementation."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from strongroom_protocol.opaque import kdf


def test_hkdf_of_rfc_5869() -> None:
    """Appendix A.3: no salt, no info."""
    prk = kdf.extract(b"\x0b" * 22)
    assert prk.hex() == "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"
    assert kdf.expand(prk, b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_hmac_of_rfc_4231() -> None:
    assert kdf.mac(b"Jefe", b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )


@pytest.mark.parametrize("size", [1, 31, 32, 33, 97, 255 * 32])
def test_expand_has_any_size(size: int) -> None:
    expected = HKDFExpand(SHA256(), size, b"info").derive(b"k" * 32)
    assert kdf.expand(b"k" * 32, b"info", size) == expected


def test_expand_gives_a_hash_where_no_size_is_named() -> None:
    assert kdf.expand(b"k" * 32, b"info") == kdf.expand(b"k" * 32, b"info", 97)[:32]
