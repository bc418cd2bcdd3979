"""What this vault uses of grpcio's handlers and contexts, which have no useful types themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from google.protobuf.message import Message
    from grpc import StatusCode

    from strongroom_vault.api.caller import Caller

Metadata: TypeAlias = "Sequence[tuple[str, str | bytes]]"


class Context(Protocol):
    """One call: `grpc.aio.ServicerContext`."""

    def invocation_metadata(self) -> Metadata:
        """Return what the caller sent with the call."""

    def set_trailing_metadata(self, metadata: Metadata) -> None:
        """Say what goes with the status."""

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller's deadline, None without one."""

    def peer(self) -> str:
        """Return what names the connection."""

    def add_done_callback(self, callback: Callable[[object], None]) -> None:
        """Have `callback` called once the call is over."""

    async def read(self) -> object:
        """Return the next message of the caller, `grpc.aio.EOF` after the last."""

    async def write(self, message: object) -> None:
        """Send a message."""

    async def abort(self, code: StatusCode, details: str = "", metadata: Metadata = ()) -> None:
        """End the call with an error: raises, never returns."""


class Handler(Protocol):
    """How one call is handled: `grpc.RpcMethodHandler`."""

    request_streaming: bool
    response_streaming: bool
    request_deserializer: Callable[[bytes], Message]
    response_serializer: Callable[[object], bytes]
    unary_unary: Callable[[Message, Caller | Context], Awaitable[Message]]
    unary_stream: Callable[[Message, Context], Awaitable[None]]
    stream_stream: Callable[[object, Context], AsyncIterator[Message]]
