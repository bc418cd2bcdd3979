"""The channel to a vault: TLS, access token, deadlines, and repetition of what failed on the way.

Every request may be repeated, since the same bytes ask for the same thing: an attempt that is
repeated is not charged again. Nothing else than the same bytes is ever sent in a repetition.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

from strongroom import diagnosis
from strongroom.diagnosis import Finding, Search
from strongroom.errors import (
    AccessTokenExpired,
    MessageTooLarge,
    NoKey,
    VaultClosed,
    VaultUnreachable,
)
from strongroom.proxies import Proxy, proxy_to
from strongroom.requests import DeleteKey, GetVault, Request
from strongroom.roots import RootSearch
from strongroom.silent_grpc import grpc
from strongroom.status import error_of, is_transient
from strongroom.wire import decode, encode
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.v1 import vault_pb2_grpc

if TYPE_CHECKING:
    from google.protobuf.message import Message

Answer = TypeVar("Answer")
AccessToken: TypeAlias = str | Callable[[], str] | Callable[[], Awaitable[str]]
"""A token, or a function that returns a fresh one; an async one for `AsyncVault` alone."""
Retrying: TypeAlias = Callable[[StrongroomError], None]
"""Told why a try failed that is going to be repeated; must not block."""
Metadata: TypeAlias = tuple[tuple[str, str], ...]

MAX_MESSAGE: Final = 16 * 1024
TRY_S: Final = 10.0
"""Seconds that one try may take."""
FIRST_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 5.0
SEARCH_EVERY_S: Final = 5.0
"""Seconds after which it is looked for anew why there is no answer."""
SEARCH_SHARE: Final = 8
"""A search takes at most this part of a request's time, on top of it."""
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
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


class _Route:
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

    def search(self) -> Search:
        """Begin to look for the reason why there is no answer."""
        seconds = min(diagnosis.SECONDS, self._target.timeout / SEARCH_SHARE)
        return Search(self._target.address, self.roots, self._proxy, max(0.25, seconds))

    def root_search(self, seconds: float) -> RootSearch | None:
        """Begin to look for the certificate to trust, where only its fingerprint is known."""
        fingerprint = self._target.ca_fingerprint
        if not fingerprint or self.roots is not None:
            return None
        return RootSearch(fingerprint, self._target.address, self._proxy, seconds)


class Transport:
    """A blocking channel, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._route = _Route(target)
        self._channel: grpc.Channel | None = None
        self._stub: Any = None
        self._is_closed = False

    @property
    def roots(self) -> bytes | None:
        """PEM of what is trusted, known once the vault was reached; None for gRPC's own."""
        return self._route.roots

    def call(self, request: Request[Answer]) -> Answer:
        """Send a request until it is answered.

        Raises:
            VaultClosed: this is closed, or was meanwhile.
            StrongroomError: the vault refuses it, or there was no answer in time.
        """
        tries = _Tries(self._target, self._route, request)
        message = _encoded(request)
        while True:
            metadata = self._metadata(tries)
            tries.require_open(is_closed=self._is_closed)
            try:
                self._open(tries)
                method = getattr(self._stub, type(request).__name__)
                answer = method(message, timeout=tries.timeout(), metadata=metadata)
            except VaultUnreachable as unreachable:
                time.sleep(tries.delay_of(unreachable))
            except grpc.RpcError as failed:
                error = tries.error_of(failed)
                if tries.renewed(error):
                    continue
                tries.require_open(is_closed=self._is_closed)
                search = tries.search(error)
                if search is not None:
                    error = tries.explained(search, search.result())
                delay = tries.next_delay(error, failed)
                if delay is None:
                    return None  # type: ignore[return-value]  # a deletion that happened
                time.sleep(delay)
            except ValueError:
                tries.require_open(is_closed=self._is_closed)  # another thread closed it just now
                raise
            else:
                result: Answer = decode(answer)
                return result

    def close(self) -> None:
        """Close the channel."""
        self._is_closed = True
        if self._channel is not None:
            self._channel.close()

    def _open(self, tries: _Tries) -> None:
        if self._channel is not None:
            return
        route = self._route
        search = route.root_search(tries.timeout())
        if search is not None:
            route.roots = search.root(search.result())
        self._channel = grpc.secure_channel(route.uri, route.credentials, options=route.options)
        self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)

    def _metadata(self, tries: _Tries) -> Metadata:
        if not tries.needs_token:
            return ()
        with tries:
            token: Any = self._target.token()
        return _authorization(token)


class AsyncTransport:
    """A channel for asyncio, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._route = _Route(target)
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self._is_closed = False

    @property
    def roots(self) -> bytes | None:
        """As `Transport.roots`."""
        return self._route.roots

    async def call(self, request: Request[Answer]) -> Answer:
        """Send a request until it is answered.

        Raises:
            VaultClosed: this is closed, or was meanwhile.
            StrongroomError: the vault refuses it, or there was no answer in time.
        """
        tries = _Tries(self._target, self._route, request)
        message = _encoded(request)
        while True:
            metadata = await self._metadata(tries)
            tries.require_open(is_closed=self._is_closed)
            try:
                await self._open(tries)
                method = getattr(self._stub, type(request).__name__)
                answer = await method(message, timeout=tries.timeout(), metadata=metadata)
            except VaultUnreachable as unreachable:
                await asyncio.sleep(tries.delay_of(unreachable))
            except grpc.RpcError as failed:
                error = tries.error_of(failed)
                if tries.renewed(error):
                    continue
                search = tries.search(error)
                if search is not None:
                    error = tries.explained(search, await _result(search))
                delay = tries.next_delay(error, failed)
                if delay is None:
                    return None  # type: ignore[return-value]  # a deletion that happened
                await asyncio.sleep(delay)
            except asyncio.CancelledError:
                if self._is_closed and not _is_cancelled():
                    tries.lost()  # gRPC cancels the calls of a channel that is closed
                    tries.require_open(is_closed=True)
                raise
            else:
                result: Answer = decode(answer)
                return result

    async def close(self) -> None:
        """Close the channel."""
        self._is_closed = True
        if self._channel is not None:
            await self._channel.close()

    async def _open(self, tries: _Tries) -> None:
        if self._channel is not None:
            return
        route = self._route
        search = route.root_search(tries.timeout())
        roots = None if search is None else search.root(await _result(search))
        tries.require_open(is_closed=self._is_closed)
        if self._channel is None:  # another task of this object may have been quicker
            route.roots = roots or route.roots
            address, options = route.uri, route.options
            self._channel = grpc.aio.secure_channel(address, route.credentials, options=options)
            self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)

    async def _metadata(self, tries: _Tries) -> Metadata:
        if not tries.needs_token:
            return ()
        with tries:
            token: Any = self._target.token()
            if inspect.isawaitable(token):
                token = await token
        return _authorization(token)


class _Tries:
    """How often and when one request is sent again.

    As a context: whatever ends the request before its next try follows the tries before.
    """

    def __init__(self, target: Target, route: _Route, request: Request[Any]) -> None:
        self._target = target
        self._route = route
        self._ends_at = time.monotonic() + target.timeout
        self._request = request
        self._failed = 0
        self._asked = 0.0
        self._search_at = 0.0
        self._known: VaultUnreachable | None = None
        self._has_renewed = False

    @property
    def needs_token(self) -> bool:
        """Whether the request goes with an access token; GetVault goes without."""
        return not isinstance(self._request, GetVault)

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, StrongroomError):
            error.follows_lost_answer = self._failed > 0

    def timeout(self) -> float:
        """Return how many seconds the next try may take."""
        return max(0.001, min(TRY_S, self._ends_at - time.monotonic()))

    def require_open(self, *, is_closed: bool) -> None:
        """Raise VaultClosed if the channel is closed."""
        if is_closed:
            with self:
                raise VaultClosed

    def lost(self) -> None:
        """A try ended without an answer."""
        self._failed += 1

    def error_of(self, failed: grpc.RpcError) -> StrongroomError:
        """Return what went wrong with a try."""
        error, self._asked = error_of(failed)
        error.follows_lost_answer = self._failed > 0
        self._failed += 1
        return error

    def search(self, error: StrongroomError) -> Search | None:
        """Begin to look for the reason, if there was no answer and the reason is not known."""
        if not isinstance(error, VaultUnreachable) or time.monotonic() < self._search_at:
            return None
        self._search_at = time.monotonic() + SEARCH_EVERY_S
        return self._route.search()

    def explained(self, search: Search, finding: Finding) -> StrongroomError:
        """Return the error that tells the reason of this and of the next tries."""
        self._known = search.error(finding)
        return self._known

    def renewed(self, error: StrongroomError) -> bool:
        """Whether the next try has another access token, where the vault says: it has expired.

        The vault has done nothing then, so that this was no try.
        """
        is_new = isinstance(error, AccessTokenExpired) and not self._has_renewed
        if not is_new or self._target.renew is None:
            return False
        self._failed -= 1
        self._has_renewed = True
        self._target.renew()
        return True

    def delay_of(self, unreachable: VaultUnreachable) -> float:
        """Return how long to wait after a try that did not come as far as the call.

        Raises:
            VaultUnreachable: there is no next try.
        """
        self._failed += 1
        self._asked, self._known = 0.0, unreachable
        return self.next_delay(unreachable, None) or 0.0

    def next_delay(self, error: StrongroomError, failed: grpc.RpcError | None) -> float | None:
        """Return how long to wait before the next try; None if the request had its effect.

        Raises:
            StrongroomError: there is no next try.
        """
        if isinstance(self._request, DeleteKey) and self._failed > 1 and isinstance(error, NoKey):
            return None  # an earlier try deleted it and its answer was lost
        if isinstance(error, VaultUnreachable) and self._known is not None:
            error = self._known
        error.follows_lost_answer = self._failed > 1
        backed_off = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** (self._failed - 1))
        delay = max(self._asked, backed_off * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter
        if not is_transient(error) or time.monotonic() + delay >= self._ends_at:
            raise error from failed
        if self._target.retrying is not None:
            self._target.retrying(error)
        return delay


async def _result(search: Search) -> Finding:
    """Return what a search finds in time, after that how far it came."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(search.found), search.seconds)
    except TimeoutError:
        return search.so_far


def _is_cancelled() -> bool:
    """Whether somebody cancelled this task, and not gRPC the call in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _authorization(access_token: str) -> Metadata:
    return (("authorization", f"Bearer {access_token}"),)


def _encoded(request: Request[Any]) -> Message:
    message = encode(request)
    if message.ByteSize() > MAX_MESSAGE:
        raise MessageTooLarge
    return message
