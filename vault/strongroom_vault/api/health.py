"""The gRPC health service, which needs no access token.

grpcio's own service holds a lock while it writes to a watcher, so a single watcher that does not
read stops all changes of health, and it does not limit how many there are. This one waits for
nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom_vault.api.grpc_types import Context

MAX_WATCHERS: Final = 64
"""More are refused with UNIMPLEMENTED: the health protocol has clients use Check instead."""

_Response = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # generated code has no types
    """The health of the vault: not serving, until `set` says otherwise."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._state = _Response.NOT_SERVING
        self._is_closed = False
        self._changed = asyncio.Event()
        self.watchers = 0

    def set(self, *, serving: bool) -> None:
        """Tell watchers, if this is a change."""
        state = _Response.SERVING if serving else _Response.NOT_SERVING
        if state != self._state and not self._is_closed:
            self._state = state
            self._wake()

    def close(self) -> None:
        """Say NOT_SERVING from now on, and end all watches."""
        # This order: `set` does nothing once closed, and watchers must be told the last state
        # before their watch ends. Watches that stayed open would delay the shutdown by the whole
        # grace.
        self.set(serving=False)
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        # A new event for the next change: with `clear`, a watcher that is still writing would miss
        # this one.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _state_of(self, name: str) -> int:
        state: int = self._state if name in self._names else _Response.SERVICE_UNKNOWN
        return state

    async def Check(  # noqa: N802 -- names of the proto file
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> health_pb2.HealthCheckResponse:
        """Answer once."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Response(status=self._state)

    async def Watch(  # noqa: N802
        self, request: health_pb2.HealthCheckRequest, context: Context
    ) -> None:
        """Answer now and at each change."""
        if self.watchers >= MAX_WATCHERS:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "too many watchers; use Check")
        self.watchers += 1
        try:
            last = None
            while True:
                # Read together, before the write: a change during it is seen in the next round.
                changed, is_closed = self._changed, self._is_closed
                state = self._state_of(request.service)
                if state != last:
                    await context.write(_Response(status=state))
                    last = state
                if is_closed:
                    return
                await changed.wait()
        finally:
            self.watchers -= 1
