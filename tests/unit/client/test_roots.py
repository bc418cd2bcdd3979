"""The certificate to trust is the presented one that has the fingerprint."""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from tls_servers import certificate, closed_port, serving, shakes_hands

from strongroom import UnreachableCause, VaultUnreachable, WrongVault
from strongroom.roots import RootSearch

if TYPE_CHECKING:
    from pathlib import Path


def der_of(pem: bytes) -> bytes:
    """The first certificate."""
    end = "-----END CERTIFICATE-----\n"
    return ssl.PEM_cert_to_DER_cert(pem.decode().split(end)[0] + end)


def test_the_certificate_with_the_fingerprint_is_returned(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    fingerprint = sha256(der_of(pem.read_bytes())).digest()
    with serving(shakes_hands(pem)) as port:
        search = RootSearch(fingerprint, f"localhost:{port}", None, 20)
        root = search.root(search.result())
        assert der_of(root) == der_of(pem.read_bytes())
        other = RootSearch(bytes(32), f"localhost:{port}", None, 20)
        with pytest.raises(WrongVault, match=f"localhost:{port}"):
            other.root(other.result())


def test_without_a_certificate_the_reason_is_told() -> None:
    with closed_port() as port:
        search = RootSearch(bytes(32), f"localhost:{port}", None, 20)
        with pytest.raises(VaultUnreachable) as error:
            search.root(search.result())
    assert error.value.cause is UnreachableCause.REFUSED
