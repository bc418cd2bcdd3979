"""Calls that need no access token, and how many of them one connection may hold.

A call is open until its caller has taken the answer, or the connection has reached its age: there
is no way to end it earlier. Nothing but the connection is known of such a caller.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import grpc

from strongroom_vault.api.requests import RETRY_AFTER, read_request
from strongroom_vault.api.status import code_of
from strongroom_vault.errors import Overloaded, Refusal

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from strongroom_vault.api.grpc_types import Context, Handler

MAX_CALLS: Final = 4
"""The most at once on one connection; more are refused."""


class Strangers:
    """Counts the calls of unknown callers, by connection."""

    def __init__(self) -> None:
        self._calls: Counter[str] = Counter()

    def admit(self, context: Context) -> None:
        """Count a call until all of it is over.

        Raises:
            Overloaded: its connection has too many.
        """
        connection = context.peer()
        if self._calls[connection] >= MAX_CALLS:
            raise Overloaded("too many requests on this connection at once", RETRY_AFTER)
        self._calls[connection] += 1
        context.add_done_callback(lambda _: self._leave(connection))

    def _leave(self, connection: str) -> None:
        self._calls[connection] -= 1
        if not self._calls[connection]:
            del self._calls[connection]

    def bounded(self, handler: Handler) -> grpc.RpcMethodHandler[object, object]:
        """Return the handler of another service with this bound; its request must come in time."""
        if handler.request_streaming:

            async def streams(requests: object, context: Context) -> None:
                await self._admit_or_abort(context)
                async for answer in handler.stream_stream(requests, context):
                    await context.write(answer)

            return grpc.stream_stream_rpc_method_handler(
                streams, handler.request_deserializer, handler.response_serializer
            )
        if handler.response_streaming:

            async def stream(_: object, context: Context) -> None:
                request = await self._request_or_abort(handler, context)
                await handler.unary_stream(request, context)

            return grpc.stream_stream_rpc_method_handler(stream, None, handler.response_serializer)

        async def unary(_: object, context: Context) -> Message:
            return await handler.unary_unary(
                await self._request_or_abort(handler, context), context
            )

        return grpc.stream_unary_rpc_method_handler(unary, None, handler.response_serializer)

    async def _admit_or_abort(self, context: Context) -> None:
        try:
            self.admit(context)
        except Refusal as refusal:
            await context.abort(code_of(refusal), str(refusal))

    async def _request_or_abort(self, handler: Handler, context: Context) -> Message:
        await self._admit_or_abort(context)
        try:
            return await read_request(handler, context)
        except Refusal as refusal:
            await context.abort(code_of(refusal), str(refusal))
            raise  # never reached: `abort` raises
