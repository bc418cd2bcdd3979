"""The vault's invite: what `strongroom-vault invite` prints (docs/protocol.md, 4.5).

A client must be able to trust the vault's certificate. Where a public authority vouches for it,
the invite says nothing of it. Otherwise the vault presents the authority's own certificate in its
chain, and the invite has its fingerprint.
"""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from strongroom_protocol.addresses import BadAddress, host_and_port, parse_address
from strongroom_protocol.invite import Invite
from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strongroom_vault.settings.config import Settings

_BUNDLED: Final = "_cython/_credentials/roots.pem"
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL
)
_ANYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 -- what must not be in an invite


def invite_for(settings: Settings, identity: bytes, address: str | None = None) -> Invite:
    """Return the invite to the vault of these settings.

    Args:
        settings: the vault's.
        identity: 33 bytes, its identity public key.
        address: host:port by which clients call it; None for what the settings say.

    Raises:
        OperatorError: clients could not use it: the address does not name a single host, the
            certificate is for another name, or its authority is unknown to them.
    """
    called = _called(address or settings.listen.public_address or settings.listen.address)
    chain = _read_chain(settings.listen.certificate_file)
    host, _ = host_and_port(called)
    if not is_for(chain[0], host):
        raise OperatorError(
            f"the TLS certificate is not for {host}, so clients would refuse it: name another"
            " address with --address, or get a certificate for this one"
        )
    return Invite(called, settings.vault.id, identity, fingerprint_to_trust(chain, public_roots()))


def fingerprint_to_trust(
    chain: Sequence[x509.Certificate], roots: Iterable[x509.Certificate]
) -> bytes:
    """Return the SHA-256 of the chain's own root; empty where a public root vouches for the chain.

    Raises:
        OperatorError: no public root vouches for the chain, and it has no root of its own.
    """
    known = list(roots)
    if any(_vouches(root, certificate) for certificate in chain for root in known):
        return b""
    for certificate in chain:
        if _vouches(certificate, certificate):
            return certificate.fingerprint(hashes.SHA256())
    raise OperatorError(
        "no public authority vouches for the TLS certificate, and its own authority is not in the"
        " file: append the authority's certificate (PEM) to certificate_file"
    )


def public_roots() -> list[x509.Certificate]:
    """Return the roots that clients trust anyway: gRPC's, or those of its environment variable."""
    named, grpc = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"), find_spec("grpc")
    if grpc is None or grpc.origin is None:
        raise RuntimeError("gRPC is not installed")
    path = Path(named) if named else Path(grpc.origin).parent / _BUNDLED
    try:
        certificates = _CERTIFICATE.findall(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"cannot read the roots that clients trust: {error}") from error
    roots = []
    with warnings.catch_warnings(action="ignore"):  # about roots with odd serial numbers
        for pem in certificates:
            with suppress(ValueError):
                roots.append(x509.load_pem_x509_certificate(pem))
    return roots


def is_for(certificate: x509.Certificate, host: str) -> bool:
    """Whether a certificate names a host: a name, a wildcard of one label, or an address."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        dns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
        return host in dns or f"*.{host.partition('.')[2]}" in dns


def _vouches(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _called(address: str) -> str:
    try:
        called = parse_address(address)
    except BadAddress as error:
        raise OperatorError(f"{error} {error.hint}") from error
    if host_and_port(called)[0] in _ANYWHERE:
        raise OperatorError(
            f"{called} stands for every address of this machine: name the one that clients call"
            " with --address, or as public_address in [listen]"
        )
    return called


def _read_chain(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise OperatorError(f"cannot read the TLS certificate: {error}") from error
