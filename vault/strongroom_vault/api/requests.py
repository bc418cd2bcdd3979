"""Reads a call's request, which must come in time: a caller may open a call and then send nothing.

grpcio waits for the request of a unary call before it runs the handler, as long as the connection
lives, but runs that of a stream at once. So every call is a stream for gRPC here, and reads its one
message itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from strongroom_vault.errors import Malformed, Overloaded

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from strongroom_vault.api.grpc_types import Context, Handler

REQUEST_S: Final = 5.0
"""Seconds that a request may come later than its header fields."""
RETRY_AFTER: Final = 1.0


async def read_request(handler: Handler, context: Context) -> Message:
    """Return the message of the caller.

    Raises:
        Overloaded: it did not come in time.
        Malformed: it is missing, or cannot be decoded as this call's request.
    """
    try:
        async with asyncio.timeout(REQUEST_S):
            request = await context.read()
    except TimeoutError as error:
        raise Overloaded("the request did not come in time", RETRY_AFTER) from error
    if not isinstance(request, bytes):  # grpc.aio.EOF
        raise Malformed("request", "it is missing")
    # Decoded here: gRPC itself would answer UNKNOWN, with the text of a Python exception.
    try:
        return handler.request_deserializer(request)
    except DecodeError as error:
        raise Malformed("request", "it cannot be decoded") from error
