"""From the fingerprint of a certificate to the certificate: the vault itself presents it.

A first connection asks for nothing and trusts nothing: it reads the chain that the other side
presents, and takes the one certificate whose SHA-256 is the fingerprint. Then the real connection
trusts that one alone, with the host name verified. Whoever answers in the vault's place can show
the same certificate, and cannot show another one under it for the vault's name.
"""

from __future__ import annotations

import socket
import ssl
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from strongroom.addresses import host_and_port
from strongroom.errors import VaultUnreachable, WrongVault

if TYPE_CHECKING:
    from collections.abc import Iterable

_CHUNK: Final = 16 * 1024
_MAX_READ: Final = 256 * 1024
"""Bytes; OpenSSL itself takes chains of 100 KiB."""


def root_with(fingerprint: bytes, address: str, timeout: float) -> bytes:
    """Return the PEM of the certificate with this SHA-256 fingerprint that `address` presents.

    Args:
        fingerprint: 32 bytes.
        address: host:port, normalised.
        timeout: seconds for all of it.

    Raises:
        WrongVault: there is no such certificate in the chain.
        VaultUnreachable: there was no chain in time.
    """
    try:
        chain = _presented_chain(address, time.monotonic() + timeout)
    except OSError as error:  # also ssl.SSLError
        raise VaultUnreachable from error
    for certificate in chain:
        if sha256(certificate).digest() == fingerprint:
            return ssl.DER_cert_to_PEM_cert(certificate).encode()
    raise WrongVault(f"What answers at {address} does not have the certificate of the invite.")


def _presented_chain(address: str, ends_at: float) -> Iterable[bytes]:
    """Return the certificates (DER) that a TLS server presents; nothing about them is verified."""
    host, port = host_and_port(address)
    tls_in, tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = _unverified().wrap_bio(tls_in, tls_out, server_hostname=host)
    with _connected(host, port, ends_at) as connection:
        read = 0
        while not _is_done(tls):
            connection.settimeout(_left(ends_at))
            connection.sendall(tls_out.read())
            received = connection.recv(_CHUNK)
            read += len(received)
            if not received or read > _MAX_READ:
                raise ConnectionError("the other side ended the handshake, or never does")
            tls_in.write(received)
        return _chain_of(tls)


def _connected(host: str, port: int, ends_at: float) -> socket.socket:
    """Connect to the first of a host's addresses that answers; none may take all the time."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, place) in enumerate(found, 1):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(_left(ends_at) / (len(found) - number + 1))
            connection.connect(place)
        except OSError:
            connection.close()
            if number == len(found):
                raise
        else:
            return connection
    raise OSError(f"{host} has no address")


def _is_done(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _chain_of(tls: ssl.SSLObject) -> list[bytes]:
    public: Any = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    # Python 3.11 and 3.12 have the same function, not yet public; they get no new features.
    private: Any = tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 -- see above
    return [found.public_bytes(_DER) for found in private.get_unverified_chain()]


_DER: Final = 2  # _ssl.ENCODING_DER


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent, and what is read is hashed
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the handshake took too long")
    return left
