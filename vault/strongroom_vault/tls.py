"""A self-signed TLS certificate for development: clients are given it as their only root."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from strongroom_vault.errors import OperatorError
from strongroom_vault.issuer import write_new

if TYPE_CHECKING:
    from pathlib import Path

CERTIFICATE_FILE = "vault.crt.pem"
KEY_FILE = "vault.key.pem"
LIFETIME = dt.timedelta(days=90)


def create_self_signed(folder: Path, hosts: tuple[str, ...]) -> None:
    """Make `vault.crt.pem` and `vault.key.pem` (mode 0600) for `hosts` in `folder`.

    Raises:
        OperatorError: they are there already, or cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    certificate = _certificate(key, hosts).public_bytes(serialization.Encoding.PEM)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(folder / KEY_FILE, pem, 0o600)
        write_new(folder / CERTIFICATE_FILE, certificate, 0o644)
    except OSError as error:
        raise OperatorError(f"cannot make a certificate in {folder}: {error}") from error


def _certificate(key: ec.EllipticCurvePrivateKey, hosts: tuple[str, ...]) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0])])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(h) for h in hosts]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
