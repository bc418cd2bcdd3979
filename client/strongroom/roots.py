"""From the fingerprint of a certificate to the certificate: the vault itself presents it.

A first connection asks for nothing and trusts nothing: it reads the chain that the other side
presents, and takes the one certificate whose SHA-256 is the fingerprint. Then the real connection
trusts that one alone, with the host name verified. Whoever answers in the vault's place can show
the same certificate, and cannot show another one under it for the vault's name.
"""

from __future__ import annotations

import ssl
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from strongroom.causes import UnreachableCause
from strongroom.diagnosis import Diagnosis, Finding
from strongroom.errors import WrongVault
from strongroom_protocol.addresses import host_and_port

if TYPE_CHECKING:
    import socket

    from strongroom.proxies import Proxy

_CHUNK: Final = 16 * 1024
_MAX_READ: Final = 256 * 1024
"""Bytes; OpenSSL itself takes chains of 100 KiB."""
_DER: Final = 2  # _ssl.ENCODING_DER


class RootSearch(Diagnosis):
    """Looks for the certificate with a fingerprint among those that a vault presents.

    Where there are none it finds out why, as every diagnosis does.
    """

    def __init__(
        self, fingerprint: bytes, address: str, proxy: Proxy | None, seconds: float
    ) -> None:
        """Begin.

        Args:
            fingerprint: 32 bytes, the SHA-256 of the DER form.
            address: host:port, normalised.
            proxy: through which gRPC connects.
            seconds: how long it may take.
        """
        self._fingerprint = fingerprint
        self._chain: list[bytes] | None = None
        super().__init__(address, None, proxy, seconds)

    def root(self, finding: Finding) -> bytes:
        """Return the certificate as PEM.

        Raises:
            WrongVault: the vault has no such certificate.
            VaultUnreachable: there was no answer in time; `finding` says why.
        """
        if self._chain is None:
            raise self.error(finding)
        for certificate in self._chain:
            if sha256(certificate).digest() == self._fingerprint:
                return ssl.DER_cert_to_PEM_cert(certificate).encode()
        raise WrongVault(
            f"What answers at {self._address} does not have the certificate of the invite."
        )

    def _examine(self, plain: socket.socket) -> Finding:
        self._chain = self._presented_chain(plain)
        return Finding(UnreachableCause.NO_ANSWER)

    def _presented_chain(self, plain: socket.socket) -> list[bytes]:
        """Shake hands as far as the chain; nothing about it is verified."""
        tls_in, tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        host, _ = host_and_port(self._address)
        tls = _unverified().wrap_bio(tls_in, tls_out, server_hostname=host)
        read = 0
        while not _is_done(tls):
            if self._left() < 0.02:  # noqa: PLR2004 -- what _left leaves at least
                raise TimeoutError
            plain.settimeout(self._left())
            plain.sendall(tls_out.read())
            received = plain.recv(_CHUNK)
            read += len(received)
            if not received or read > _MAX_READ:
                raise ConnectionError("the other side ended the handshake, or never does")
            tls_in.write(received)
        return _chain_of(tls)


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


def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent, and what is read is hashed
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    return context
