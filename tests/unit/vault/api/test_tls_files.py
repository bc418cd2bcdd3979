"""What is said of a TLS certificate and a key that will not do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_vault.api import tls_files
from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development_ca
from strongroom_vault.settings.config import Listen

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATE: Final = "[listen] certificate_file (STRONGROOM_VAULT_LISTEN_CERTIFICATE_FILE): "
KEY: Final = "[listen] key_file (STRONGROOM_VAULT_LISTEN_KEY_FILE): "
SWAPPED: Final = "Are certificate_file and key_file swapped?"


@pytest.fixture
def listen(tmp_path: Path) -> Listen:
    development_ca.create_self_signed(tmp_path, ("localhost",))
    return Listen(
        address="localhost:0",
        certificate_file=tmp_path / development_ca.CERTIFICATE_FILE,
        key_file=tmp_path / development_ca.KEY_FILE,
        admin_socket=tmp_path / "admin.sock",
    )


def refused(listen: Listen) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        tls_files.read_both(listen)
    said = f"{caught.value} {caught.value.hint}"
    assert not any(foreign in said for foreign in ("Errno", "cryptography", "MalformedFraming"))
    return caught.value


def encrypted() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )


def test_what_fits_is_returned_as_it_is(listen: Listen) -> None:
    files = tls_files.read_both(listen)
    assert files.key_pem == listen.key_file.read_bytes()
    assert files.chain_pem == listen.certificate_file.read_bytes()
    _, chain = tls_files.read_chain(listen.certificate_file)
    assert (files.certificate, len(chain)) == (chain[0], 2)


@pytest.mark.parametrize(
    ("data", "problem", "hint"),
    [
        (b"", "is empty", "strongroom-vault self-signed FOLDER"),
        (b"a poem\n", "is not a certificate in PEM", "DER"),
        (bytes(range(256)), "is not a certificate in PEM", "DER"),
        (
            b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
            "has no certificate that can be used: it has a certificate request",
            "must name the vault's TLS certificate",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "has no certificate that can be used",
            "must name the vault's TLS certificate",
        ),
    ],
)
def test_a_certificate_that_is_none(listen: Listen, data: bytes, problem: str, hint: str) -> None:
    listen.certificate_file.write_bytes(data)
    error = refused(listen)
    assert str(error).startswith(f"{CERTIFICATE}{listen.certificate_file} {problem}")
    assert hint in error.hint


@pytest.mark.parametrize(
    ("data", "problem", "hint"),
    [
        (b"", "is empty", "strongroom-vault self-signed FOLDER"),
        (b"a poem\n", "is not a private key in PEM", "DER"),
        (
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            "has no private key that can be used: it has a public key",
            "must name the private key",
        ),
    ],
)
def test_a_key_that_is_none(listen: Listen, data: bytes, problem: str, hint: str) -> None:
    listen.key_file.write_bytes(data)
    error = refused(listen)
    assert str(error).startswith(f"{KEY}{listen.key_file} {problem}")
    assert hint in error.hint


def test_a_key_with_a_password(listen: Listen) -> None:
    for data in (encrypted(), encrypted()[:100]):
        listen.key_file.write_bytes(data)
        error = refused(listen)
        assert str(error).startswith(f"{KEY}the key in {listen.key_file} is encrypted")
        assert "openssl pkey" in error.hint


def test_files_that_are_swapped(listen: Listen) -> None:
    key, chain = listen.key_file.read_bytes(), listen.certificate_file.read_bytes()
    listen.certificate_file.write_bytes(key)
    error = refused(listen)
    assert f"{listen.certificate_file} has a private key, not a certificate" in str(error)
    assert error.hint == SWAPPED
    listen.key_file.write_bytes(chain)
    error = refused(listen)
    assert f"{listen.key_file} has a certificate, not a key" in str(error)
    assert error.hint == SWAPPED


def test_a_key_that_is_not_the_certificates(listen: Listen, tmp_path: Path) -> None:
    development_ca.create_self_signed(tmp_path / "other", ("localhost",))
    other = (tmp_path / "other" / development_ca.KEY_FILE).read_bytes()
    listen.key_file.write_bytes(other)
    error = refused(listen)
    assert str(error) == (
        f"{KEY}the key in {listen.key_file} and the certificate in {listen.certificate_file} do not"
        " belong together"
    )
    assert "requested" in error.hint


def test_an_authority_before_its_certificate(listen: Listen) -> None:
    marker = b"-----BEGIN CERTIFICATE-----"
    _, own, authority = listen.certificate_file.read_bytes().split(marker)
    listen.certificate_file.write_bytes(marker + authority + marker + own)
    assert "own certificate first" in refused(listen).hint
