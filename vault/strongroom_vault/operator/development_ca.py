"""A TLS certificate for development, signed by a small authority made with it.

Clients trust the authority, whose certificate the vault presents with its own. So the vault's
certificate can be renewed without a new invite: its fingerprint is the authority's.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.issuer import load_key, new_key
from strongroom_vault.platform.files import reason, replace, write_new

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import ec

CERTIFICATE_FILE: Final = "vault.crt.pem"
KEY_FILE: Final = "vault.key.pem"
CA_CERTIFICATE_FILE: Final = "ca.crt.pem"
CA_KEY_FILE: Final = "ca.key.pem"
LIFETIME: Final = dt.timedelta(days=90)
CA_LIFETIME: Final = dt.timedelta(days=3650)
HERE: Final = ("localhost", "127.0.0.1", "::1")
_MAX_COMMON_NAME: Final = 64


def create_self_signed(folder: Path, hosts: tuple[str, ...] = ()) -> None:
    """Make or renew `vault.crt.pem`, with its `vault.key.pem`, in `folder`.

    Keys (mode 0600) and the authority, `ca.crt.pem` and `ca.key.pem`, are made where they are
    missing and never replaced.

    Args:
        folder: where they are.
        hosts: what clients call the vault; none for those of the certificate that is renewed, or
            for this machine's own names.

    Raises:
        OperatorError: the certificate there is another authority's, or a file cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = _certificate_in(folder / CERTIFICATE_FILE)
        authority = _certificate_in(folder / CA_CERTIFICATE_FILE)
        if before is not None and (authority is None or not _is_issued_by(before, authority)):
            raise OperatorError(
                f"{folder / CERTIFICATE_FILE} exists and was not made here: it is not replaced"
            )
        ca_key = _key(folder / CA_KEY_FILE)
        if authority is None:
            authority = _authority(ca_key)
            write_new(folder / CA_CERTIFICATE_FILE, _pem(authority), 0o644)
        key = _key(folder / KEY_FILE)
        names = hosts or (HERE if before is None else _hosts_of(before))
        chain = _pem(_certificate(key, names, authority, ca_key)) + _pem(authority)
        replace(folder / CERTIFICATE_FILE, chain, 0o644)
    except OSError as error:
        raise OperatorError(f"cannot make a certificate in {folder}: {reason(error)}") from error


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file, made if it is missing."""
    if not path.exists():
        write_new(path, new_key(), 0o600)
    return load_key(path)


def _certificate_in(path: Path) -> x509.Certificate | None:
    """Return the first certificate in a file, None for no file."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise OperatorError(f"{path} is not a certificate in PEM") from error


def _is_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = f"Strongroom development CA {identifier.digest.hex()[:16]}"
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, key, CA_LIFETIME)
        .issuer_name(_name(name))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    hosts: tuple[str, ...],
    authority: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    return (
        _builder(hosts[0][:_MAX_COMMON_NAME], key, LIFETIME)
        .issuer_name(authority.subject)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, lifetime: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + lifetime)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _hosts_of(certificate: x509.Certificate) -> tuple[str, ...]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return tuple(str(name.value) for name in names.value)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
