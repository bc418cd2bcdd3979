"""The TLS certificate and its key in their files: read, checked, and refused in plain words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from strongroom_vault.settings.named_files import CERTIFICATE_FILE, KEY_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from strongroom_vault.errors import OperatorError
    from strongroom_vault.settings.config import Listen
    from strongroom_vault.settings.named_files import FileSetting

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_CERTIFICATES: Final = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_SWAPPED: Final = "Are certificate_file and key_file swapped?"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What both files have.

    Attributes:
        key_pem: the private key.
        chain_pem: the certificates.
        certificate: the first of them, which is the key's.
    """

    key_pem: bytes
    chain_pem: bytes
    certificate: x509.Certificate


def read_both(listen: Listen) -> TlsFiles:
    """Read the certificate and its key.

    Raises:
        OperatorError: one of them cannot be used, others can read the key, or the two do not
            belong together.
    """
    key_pem, key = read_key(listen.key_file)
    chain_pem, chain = read_chain(listen.certificate_file)
    fitting = [one.public_key() == key.public_key() for one in chain]
    if not fitting[0]:
        hint = (
            "Put the vault's own certificate first in certificate_file, then those of authorities."
            if any(fitting)
            else "Name the key with which this certificate was requested."
        )
        raise KEY_FILE.refused(
            f"the key in {listen.key_file} and the certificate in {listen.certificate_file} do not"
            " belong together",
            hint,
        )
    return TlsFiles(key_pem, chain_pem, chain[0])


def read_key(path: Path) -> tuple[bytes, PrivateKeyTypes]:
    """Return a private key, as it is in its file and decoded.

    Raises:
        OperatorError: others can read it, or it is not a private key in PEM without a password.
    """
    pem = KEY_FILE.read_secret(path)
    try:
        key = serialization.load_pem_private_key(pem, None)
        key.public_key()
    except TypeError as error:
        raise _encrypted(path) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        labels = set(_LABEL.findall(pem))
        if b"ENCRYPTED PRIVATE KEY" in labels:
            raise _encrypted(path) from error
        if labels & set(_CERTIFICATES):
            raise KEY_FILE.refused(f"{path} has a certificate, not a key", _SWAPPED) from error
        raise _refused(KEY_FILE, path, "private key", labels) from error
    return pem, key


def read_chain(path: Path) -> tuple[bytes, Sequence[x509.Certificate]]:
    """Return certificates, as they are in their file and decoded; at least one.

    Raises:
        OperatorError: the file does not have certificates in PEM.
    """
    pem = CERTIFICATE_FILE.read(path)
    try:
        chain = x509.load_pem_x509_certificates(pem)
        for certificate in chain:
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        labels = set(_LABEL.findall(pem))
        if any(label.endswith(b"PRIVATE KEY") for label in labels) and not labels & set(
            _CERTIFICATES
        ):
            problem = f"{path} has a private key, not a certificate"
            raise CERTIFICATE_FILE.refused(problem, _SWAPPED) from error
        raise _refused(CERTIFICATE_FILE, path, "certificate", labels) from error
    return pem, chain


def _refused(setting: FileSetting, path: Path, wanted: str, labels: set[bytes]) -> OperatorError:
    """Say what a file has in place of what is wanted; `labels` are those of its PEM blocks."""
    if not labels:
        return setting.refused(
            f"{path} is not a {wanted} in PEM: it has no line -----BEGIN ...-----",
            "A file in DER is converted with openssl x509 or openssl pkey, -inform der.",
        )
    kinds = " and ".join(sorted(label.decode().lower() for label in labels))
    return setting.refused(f"{path} has no {wanted} that can be used: it has a {kinds}")


def _encrypted(path: Path) -> OperatorError:
    return KEY_FILE.refused(
        f"the key in {path} is encrypted with a password, which the vault cannot ask for",
        "Decrypt it with openssl pkey, into a file of mode 0600.",
    )
