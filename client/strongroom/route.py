"""Where a vault is, how to be let in, and how gRPC is told to reach it."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from strongroom import diagnosis
from strongroom.diagnosis import Diagnosis
from strongroom.proxies import Proxy, proxy_to
from strongroom.roots import RootSearch
from strongroom.silent_grpc import grpc
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.labels import MESSAGE_MAX_SIZE

AccessToken: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that returns a fresh one; an async one for `AsyncVault` alone."""
Retrying: TypeAlias = Callable[[StrongroomError], None]
"""Told why a try failed that is going to be repeated; must not block."""

DIAGNOSIS_SHARE: Final = 8
"""A diagnosis takes at most this part of a request's time, on top of it."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_MAX_SIZE),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a vault is and how to be let in.

    Attributes:
        address: host:port, normalised.
        access_token: or a function that returns one; asked before every try.
        ca_certificates: PEM; None for the roots that gRPC trusts.
        ca_fingerprint: SHA-256 of the certificate to trust, which the vault presents itself; empty
            where `ca_certificates` says it.
        renew: called when the vault says that an access token has expired; then the next one is
            tried, once for a request. None where there is no other.
        timeout: seconds for a request with all its repetitions.
        retrying: told of every try that is going to be repeated.
    """

    address: str
    access_token: AccessToken = field(repr=False)
    ca_certificates: bytes | None = None
    ca_fingerprint: bytes = b""
    renew: Callable[[], object] | None = None
    timeout: float = 30.0
    retrying: Retrying | None = None

    def token(self) -> str | Awaitable[str]:
        """Return an access token for the next try."""
        return self.access_token if isinstance(self.access_token, str) else self.access_token()


class Route:
    """How gRPC is told to reach a target."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._proxy: Proxy | None = proxy_to(target.address, os.environ)
        # With its scheme, or a host of the name `unix` would be taken for a socket.
        self.uri = f"dns:///{target.address.replace('%', '%25')}"
        self.roots = target.ca_certificates
        """PEM of what is trusted; None for gRPC's own, and until a fingerprint led to one."""
        way = (
            ("grpc.enable_http_proxy", 0)
            if self._proxy is None
            else ("grpc.http_proxy", self._proxy.url)
        )
        self.options = (*_OPTIONS, way)

    @property
    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC is to trust."""
        return grpc.ssl_channel_credentials(self.roots)

    def diagnosis(self) -> Diagnosis:
        """Begin to look for the reason why there is no answer."""
        seconds = min(diagnosis.SECONDS, self._target.timeout / DIAGNOSIS_SHARE)
        return Diagnosis(self._target.address, self.roots, self._proxy, max(0.25, seconds))

    def root_search(self, seconds: float) -> RootSearch | None:
        """Begin to look for the certificate to trust, where only its fingerprint is known."""
        fingerprint = self._target.ca_fingerprint
        if not fingerprint or self.roots is not None:
            return None
        return RootSearch(fingerprint, self._target.address, self._proxy, seconds)
