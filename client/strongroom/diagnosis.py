"""Finds out why a vault gives no answer, by one plain TLS connection of its own.

gRPC tells the cause in words that change from one version to the next, or not at all. What is found
here only explains: nothing is sent, and nothing is trusted because of it.
"""

from __future__ import annotations

import errno
import os
import pkgutil
import re
import socket
import ssl
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom.causes import UnreachableCause as Cause
from strongroom.causes import describe
from strongroom.errors import BadCertificates, VaultUnreachable
from strongroom_protocol.addresses import host_and_port
from strongroom_protocol.terminal.printable import printable

if TYPE_CHECKING:
    from strongroom.proxies import Proxy

SECONDS: Final = 2.0
"""How long the search for a cause may take."""
_ROOTS_FILE: Final = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_ALPN: Final = "h2"
_MAX_REPLY: Final = 16 * 1024
_UNTRUSTED: Final = frozenset({2, 18, 19, 20, 21, 27})
"""OpenSSL's verification errors (X509_V_ERR_...) that say: no trusted root vouches for it."""
_BY_VERIFY_CODE: Final = {
    9: Cause.CERTIFICATE_NOT_YET_VALID,
    10: Cause.CERTIFICATE_EXPIRED,
    62: Cause.CERTIFICATE_OTHER_NAME,
    64: Cause.CERTIFICATE_OTHER_NAME,
    **dict.fromkeys(_UNTRUSTED, Cause.CERTIFICATE_UNTRUSTED),
}
_BY_ERRNO: Final = {
    errno.ECONNREFUSED: Cause.REFUSED,
    errno.ENETUNREACH: Cause.NO_ROUTE,
    errno.EHOSTUNREACH: Cause.NO_ROUTE,
    errno.ENETDOWN: Cause.NO_ROUTE,
    errno.EADDRNOTAVAIL: Cause.NO_ROUTE,
    errno.EACCES: Cause.NO_ROUTE,
    errno.EPERM: Cause.NO_ROUTE,
}
_NO_SUCH_NAME: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name)
)


_PASSING: Final = ("408", "425", "429")
"""Of the statuses 3xx and 4xx those after which a proxy may be asked again (RFC 9110, RFC 6585)."""


class _ProxyRefuses(OSError):
    """The proxy's answer will be the same the next time."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why there is no answer; `detail` is what the cause leaves open."""

    cause: Cause
    detail: str = ""


class Diagnosis:
    """One search for the cause, in a thread of its own: a name lookup takes no deadline."""

    def __init__(
        self,
        address: str,
        ca_certificates: bytes | None,
        proxy: Proxy | None,
        seconds: float = SECONDS,
    ) -> None:
        """Begin.

        Args:
            address: host:port, normalised.
            ca_certificates: PEM; None for the roots that gRPC trusts.
            proxy: through which gRPC connects.
            seconds: how long it may take.
        """
        self._address = address
        self._ca_certificates = ca_certificates
        self._proxy = proxy
        self.seconds = seconds
        self._ends_at = time.monotonic() + seconds
        self._so_far = Finding(Cause.NO_ANSWER)
        self.future: Future[Finding] = Future()
        self.future.set_running_or_notify_cancel()
        try:
            threading.Thread(target=self._run, name="strongroom", daemon=True).start()
        except RuntimeError:  # the system gives no thread
            self.future.set_result(self._so_far)

    def result(self) -> Finding:
        """Return what is found in time; after that, how far it came. Blocking."""
        try:
            return self.future.result(self.seconds)
        except TimeoutError:
            return self._so_far

    def error(self, finding: Finding) -> VaultUnreachable:
        """Return a finding as an error."""
        proxy = "" if self._proxy is None else str(self._proxy)
        message, hint = describe(finding.cause, self._address, proxy, finding.detail)
        error = VaultUnreachable(message)
        error.hint = printable(hint)
        error.cause, error.address, error.proxy = finding.cause, self._address, proxy
        return error

    @property
    def so_far(self) -> Finding:
        """Where it is under way: what takes so long."""
        return self._so_far

    def _run(self) -> None:
        try:
            with self._connected() as plain:
                self._so_far = Finding(Cause.NO_ANSWER)
                finding = self._examine(plain)
        except (OSError, ValueError) as error:  # ValueError: what is no host name
            finding = self._finding_of(error)
        self.future.set_result(finding)

    def _examine(self, plain: socket.socket) -> Finding:
        """Shake hands over an open connection; what fails then is raised."""
        context = _context(self._ca_certificates)
        plain.settimeout(self._left())
        host, _ = host_and_port(self._address)
        with context.wrap_socket(plain, server_hostname=host) as wrapped:
            if wrapped.selected_alpn_protocol() != _ALPN:
                return Finding(Cause.NOT_A_VAULT, "it does not speak HTTP/2")
        return Finding(Cause.NO_ANSWER)

    def _connected(self) -> socket.socket:
        if self._proxy is None:
            self._so_far = Finding(Cause.LOOKUP_FAILED)
            host, port = host_and_port(self._address)
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            self._so_far = Finding(Cause.TIMED_OUT)
            return self._first_of(found)
        self._so_far = Finding(Cause.PROXY, "it does not answer")
        found = socket.getaddrinfo(self._proxy.host, self._proxy.port, type=socket.SOCK_STREAM)
        plain = self._first_of(found)
        try:
            _tunnel(plain, self._address, self._proxy, self._ends_at)
        except BaseException:
            plain.close()
            raise
        return plain

    def _first_of(self, addresses: list[Any]) -> socket.socket:
        """Connect to the first address that can be; of their refusals raise the most telling."""
        refusals: list[OSError] = []
        for number, (family, kind, protocol, _, place) in enumerate(addresses):
            try:
                plain = socket.socket(family, kind, protocol)
            except OSError as error:  # a system without IPv6, say
                refusals.append(error)
                continue
            plain.settimeout(self._left() / (len(addresses) - number))  # none may take it all
            try:
                plain.connect(place)
            except OSError as error:
                plain.close()
                refusals.append(error)
            else:
                return plain
        raise next((e for e in refusals if isinstance(e, ConnectionRefusedError)), refusals[-1])

    def _left(self) -> float:
        return max(0.01, self._ends_at - time.monotonic())

    def _finding_of(self, error: OSError | ValueError) -> Finding:
        if isinstance(error, ssl.SSLCertVerificationError):
            cause = _BY_VERIFY_CODE.get(error.verify_code, Cause.CERTIFICATE_REFUSED)
            return Finding(cause, error.verify_message)
        if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | TimeoutError):
            return self._so_far  # cut off or slow, as a vault is that goes down
        if isinstance(error, ssl.SSLError):
            return Finding(Cause.NOT_A_VAULT, "it does not speak TLS as a vault does")
        if self._so_far.cause is Cause.PROXY:
            return _finding_of_proxy(error)
        if isinstance(error, ValueError) or error.errno in _NO_SUCH_NAME:
            return Finding(Cause.UNKNOWN_HOST)
        return Finding(_BY_ERRNO.get(error.errno or 0, self._so_far.cause))


def _tunnel(plain: socket.socket, address: str, proxy: Proxy, ends_at: float) -> None:
    """Ask the proxy for the way to the vault (RFC 9110 section 9.3.6).

    Raises:
        OSError: it does not lead there.
    """
    field = proxy.authorization
    lines = [f"CONNECT {address} HTTP/1.1", f"Host: {address}", *([field] if field else [])]
    plain.settimeout(max(0.01, ends_at - time.monotonic()))
    plain.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("latin-1"))
    reply = b""
    while b"\r\n\r\n" not in reply:
        plain.settimeout(max(0.01, ends_at - time.monotonic()))
        part = plain.recv(1)  # not a byte of what comes after it
        if not part or len(reply) > _MAX_REPLY:
            raise OSError(errno.EPROTO, "it gives no answer of HTTP")
        reply += part
    status = reply.split(b"\r\n", 1)[0].split(b" ", 2)[1:2]
    if not status or not status[0].startswith(b"2"):
        number = status[0][:3].decode("ascii", "replace") if status else "nothing"
        is_lasting = re.fullmatch("[34][0-9]{2}", number) and not number.startswith(_PASSING)
        words = "it asks for a login (407)" if number == "407" else f"it answers {number}"
        raise (_ProxyRefuses if is_lasting else OSError)(errno.EPROTO, words)


def _finding_of_proxy(error: OSError | ValueError) -> Finding:
    if isinstance(error, _ProxyRefuses):
        return Finding(Cause.PROXY_REFUSES, _reason_of(error))
    if isinstance(error, ValueError) or error.errno in _NO_SUCH_NAME:
        return Finding(Cause.UNKNOWN_PROXY)
    return Finding(Cause.PROXY, _reason_of(error))


def _reason_of(error: OSError | ValueError) -> str:
    if isinstance(error, socket.gaierror):
        return "its name cannot be looked up at the moment"
    text = error.strerror if isinstance(error, OSError) else None
    return (text or "it does not answer").lower()


def _context(ca_certificates: bytes | None) -> ssl.SSLContext:
    """Return a context that trusts what gRPC trusts, as strictly as gRPC does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols([_ALPN])
    roots = _grpc_roots() if ca_certificates is None else ca_certificates
    if roots is None:
        context.load_default_certs()
    else:
        _trust(context, roots)
    return context


def require_certificates(roots: bytes) -> None:
    """Look whether there are certificates to trust.

    Raises:
        BadCertificates: there is no certificate, or a broken one.
    """
    try:
        _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), roots)
    except (ssl.SSLError, ValueError) as error:
        raise BadCertificates from error


def _trust(context: ssl.SSLContext, roots: bytes) -> None:
    # What stands between the certificates may be text of any kind, and Python takes ASCII alone.
    context.load_verify_locations(cadata=roots.decode("ascii", "ignore"))


def _grpc_roots() -> bytes | None:
    named = os.environ.get(_ROOTS_FILE)
    if named:
        try:
            return Path(named).read_bytes()
        except OSError:
            pass  # gRPC goes on with its own, too
    return pkgutil.get_data("grpc", "_cython/_credentials/roots.pem")
