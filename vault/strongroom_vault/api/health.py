"""The gRPC health service, which anybody may ask without an access token.

grpcio's own holds a lock while it writes to a watcher, so that a single one who does not read stops
all changes of health; and it holds any number of watchers. This one waits for nobody.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_WATCHERS: Final = 64
"""More are told UNIMPLEMENTED, by which the health protocol has clients do without watching."""

_Answer = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # generated code has no types
    """What the vault says of itself: not serving, until `set` says otherwise."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)
        self._state = _Answer.NOT_SERVING
        self._is_closed = False
        self._changed = asyncio.Event()
        self.watchers = 0

    def set(self, *, serving: bool) -> None:
        """Tell watchers, if this is a change."""
        state = _Answer.SERVING if serving else _Answer.NOT_SERVING
        if state != self._state and not self._is_closed:
            self._state = state
            self._wake()

    def close(self) -> None:
        """Say NOT_SERVING from now on, and let the watchers go."""
        self.set(serving=False)
        self._is_closed = True
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _state_of(self, name: str) -> Any:  # noqa: ANN401 -- an enum of generated code
        return self._state if name in self._names else _Answer.SERVICE_UNKNOWN

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        """Answer once."""
        if request.service not in self._names:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Answer(status=self._state)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: ANN401, N802
        """Answer now and at each change."""
        if self.watchers >= MAX_WATCHERS:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "too many watch; use Check")
        self.watchers += 1
        try:
            told = None
            while True:
                # All at one moment: what changes during a write is told by the next round.
                changed, is_last = self._changed, self._is_closed
                state = self._state_of(request.service)
                if state != told:
                    await context.write(_Answer(status=state))
                    told = state
                if is_last:
                    return
                await changed.wait()
        finally:
            self.watchers -= 1
