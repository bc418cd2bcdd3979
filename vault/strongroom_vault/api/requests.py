"""Reads a call's request, which must come in time: a caller may open a call and then send nothing.

grpcio itself waits for it before it runs any handler, as long as the connection lives. A handler of
a stream is run at once. So every call is one for gRPC here, and reads its one message by itself.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from strongroom_vault.errors import Malformed, Overloaded

REQUEST_S: Final = 5.0
"""Seconds that a request may come later than its header fields."""
RETRY_AFTER: Final = 1.0


async def read_request(handler: Any, context: Any) -> Any:  # noqa: ANN401 -- any message
    """Return the message.

    It is decoded here: gRPC itself would answer UNKNOWN, with Python's own words.

    Raises:
        Overloaded: it did not come in time.
        Malformed: there is none, or not one of this call.
    """
    try:
        async with asyncio.timeout(REQUEST_S):
            request = await context.read()
    except TimeoutError as error:
        raise Overloaded("the request did not come in time", RETRY_AFTER) from error
    if request is grpc.aio.EOF:
        raise Malformed("request", "there is none")
    try:
        return handler.request_deserializer(request)
    except DecodeError as error:
        raise Malformed("request", "no message of this call") from error
