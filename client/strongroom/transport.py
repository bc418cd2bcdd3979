"""The channel to a vault: TLS, access token, deadlines, and repetition of what failed on the way.

Every request may be repeated, since the same bytes ask for the same thing: an attempt that is
repeated is not charged again. Nothing else than the same bytes is ever sent in a repetition.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import grpc

from strongroom.calls import DeleteKey, GetVault, Request
from strongroom.errors import AccessTokenExpired, MessageTooLarge, NoKey, StrongroomError
from strongroom.roots import root_with
from strongroom.status import error_of, is_passing
from strongroom.v1 import vault_pb2_grpc
from strongroom.wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")
AccessToken: TypeAlias = "str | Callable[[], str]"
"""A token, or a function that returns a fresh one."""

MAX_MESSAGE: Final = 16 * 1024
TRY_S: Final = 10.0
"""Seconds that one try may take."""
FIRST_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 5.0
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a vault is and how to be let in.

    Attributes:
        address: host:port.
        access_token: or a function that returns one; asked before every try.
        ca_certificates: PEM; None for the roots that gRPC trusts.
        ca_fingerprint: SHA-256 of the certificate to trust, which the vault presents itself; empty
            where `ca_certificates` says it.
        renew: called when the vault says that an access token has expired; then the next one is
            tried, once for a request. None where there is no other.
        timeout: seconds for a request with all its repetitions.
    """

    address: str
    access_token: AccessToken = field(repr=False)
    ca_certificates: bytes | None = None
    ca_fingerprint: bytes = b""
    renew: Callable[[], object] | None = None
    timeout: float = 30.0

    def token(self) -> str:
        """Return an access token for the next try."""
        return self.access_token if isinstance(self.access_token, str) else self.access_token()

    def metadata(self, request: Request[Any]) -> tuple[tuple[str, str], ...]:
        """Return the call's metadata; GetVault goes without the access token."""
        if isinstance(request, GetVault):
            return ()
        return (("authorization", f"Bearer {self.token()}"),)

    def roots(self, timeout: float) -> bytes | None:
        """Return the certificates to trust, asking the vault for the one of a fingerprint.

        Raises:
            WrongVault: it has no such certificate.
            VaultUnreachable: it does not answer.
        """
        if not self.ca_fingerprint:
            return self.ca_certificates
        return root_with(self.ca_fingerprint, self.address, timeout)


class Transport:
    """A blocking channel, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel: grpc.Channel | None = None
        self._stub: Any = None
        self.roots = target.ca_certificates
        """PEM of what is trusted, known once the vault was reached; None for gRPC's own."""

    def call(self, request: Request[Answer]) -> Answer:
        """Send a request until it is answered.

        Raises:
            StrongroomError: the vault refuses it, or there was no answer in time.
        """
        tries = _Tries(self._target, request)
        message = _encoded(request)
        while True:
            metadata = tries.metadata()
            try:
                self._open(tries.timeout())
                method = getattr(self._stub, type(request).__name__)
                answer = method(message, timeout=tries.timeout(), metadata=metadata)
            except (grpc.RpcError, StrongroomError) as error:
                delay = tries.next_delay(error)
                if delay is None:
                    return None  # type: ignore[return-value]  # a deletion that happened
                time.sleep(delay)
            else:
                result: Answer = decode(answer)
                return result

    def _open(self, timeout: float) -> None:
        if self._channel is not None:
            return
        self.roots = self._target.roots(timeout)
        credentials = grpc.ssl_channel_credentials(self.roots)
        self._channel = grpc.secure_channel(self._target.address, credentials, options=_OPTIONS)
        self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)

    def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            self._channel.close()


class AsyncTransport:
    """A channel for asyncio, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._channel: grpc.aio.Channel | None = None
        self._stub: Any = None
        self.roots = target.ca_certificates
        """As `Transport.roots`."""

    async def call(self, request: Request[Answer]) -> Answer:
        """Send a request until it is answered.

        Raises:
            StrongroomError: the vault refuses it, or there was no answer in time.
        """
        tries = _Tries(self._target, request)
        message = _encoded(request)
        while True:
            metadata = tries.metadata()
            try:
                await self._open(tries.timeout())
                method = getattr(self._stub, type(request).__name__)
                answer = await method(message, timeout=tries.timeout(), metadata=metadata)
            except (grpc.RpcError, StrongroomError) as error:
                delay = tries.next_delay(error)
                if delay is None:
                    return None  # type: ignore[return-value]  # a deletion that happened
                await asyncio.sleep(delay)
            else:
                result: Answer = decode(answer)
                return result

    async def _open(self, within: float) -> None:
        if self._channel is not None:
            return
        roots = self._target.ca_certificates
        if self._target.ca_fingerprint:
            roots = await asyncio.to_thread(self._target.roots, within)
        if self._channel is None:  # another task of this object may have been quicker
            self.roots = roots
            credentials = grpc.ssl_channel_credentials(roots)
            address = self._target.address
            self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
            self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)

    async def close(self) -> None:
        """Close the channel."""
        if self._channel is not None:
            await self._channel.close()


class _Tries:
    """How often and when one request is sent again."""

    def __init__(self, target: Target, request: Request[Any]) -> None:
        self._ends_at = time.monotonic() + target.timeout
        self._target = target
        self._request = request
        self._failed = 0
        self._has_renewed = False

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Return the metadata of the next try; the access token may be another one by now."""
        try:
            return self._target.metadata(self._request)
        except StrongroomError as error:
            error.follows_lost_answer = self._failed > 0
            raise

    def timeout(self) -> float:
        """Return how many seconds the next try may take."""
        return max(0.001, min(TRY_S, self._ends_at - time.monotonic()))

    def next_delay(self, failed: grpc.RpcError | StrongroomError) -> float | None:
        """Return how long to wait before the next try; None if the request had its effect.

        Raises:
            StrongroomError: there is no next try.
        """
        error, asked = (failed, 0.0) if isinstance(failed, StrongroomError) else error_of(failed)
        error.follows_lost_answer = self._failed > 0
        if isinstance(error, AccessTokenExpired) and not self._has_renewed and self._target.renew:
            self._has_renewed = True
            self._target.renew()
            return 0.0  # the vault has done nothing
        self._failed += 1
        if isinstance(self._request, DeleteKey) and self._failed > 1 and isinstance(error, NoKey):
            return None  # an earlier try deleted it and its answer was lost
        backed_off = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** (self._failed - 1))
        delay = max(asked, backed_off * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter
        if not is_passing(error) or time.monotonic() + delay >= self._ends_at:
            raise error from (None if error is failed else failed)
        return delay


def _encoded(request: Request[Any]) -> Any:  # noqa: ANN401 -- any message
    message = encode(request)
    if message.ByteSize() > MAX_MESSAGE:
        raise MessageTooLarge
    return message
