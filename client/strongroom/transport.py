"""The channel to a vault: does what `exchange.py` says, blocking or in an event loop."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom.exchange import Authorize, Exchange, Find, Send, Wait
from strongroom.route import Route
from strongroom.silent_grpc import grpc
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.v1 import vault_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from strongroom.diagnosis import Diagnosis, Finding
    from strongroom.exchange import Step
    from strongroom.requests import Request
    from strongroom.route import Target

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Wanted = TypeVar("Wanted")


def drive(steps: Generator[Wanted, Any, Result], do: Callable[[Wanted], object]) -> Result:
    """Do what a generator wants, step by step, until it ends; return its result."""
    try:
        step = next(steps)
        while True:
            try:
                value = do(step)
            except (StrongroomError, grpc.RpcError) as error:
                step = steps.throw(error)
            else:
                step = steps.send(value)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        steps.close()  # gives back what it holds, also when the call was interrupted


class Transport:
    """A blocking channel, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._route = Route(target)
        self._channel: grpc.Channel | None = None
        self._stub: vault_pb2_grpc.BackupKeyVaultStub
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
        exchange = Exchange(self._target, self._route, request, lambda: self._is_closed)
        return drive(exchange.steps(), lambda step: self._do(step, request, exchange))

    def close(self) -> None:
        """Close the channel."""
        self._is_closed = True
        if self._channel is not None:
            self._channel.close()

    def _do(self, step: Step, request: Request[Answer], exchange: Exchange[Answer]) -> object:
        match step:
            case Authorize():
                return self._target.token()
            case Find(search):
                return search.result()
            case Wait(seconds):
                time.sleep(seconds)
                return None
            case Send(message, timeout, metadata):
                try:
                    method = getattr(self._open(), type(request).__name__)
                    return method(message, timeout=timeout, metadata=metadata)
                except ValueError:
                    exchange.require_open()  # another thread closed it just now
                    raise

    def _open(self) -> vault_pb2_grpc.BackupKeyVaultStub:
        if self._channel is None:
            route = self._route
            self._channel = grpc.secure_channel(route.uri, route.credentials, options=route.options)
            self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)
        return self._stub


class AsyncTransport:
    """A channel for asyncio, opened by the first call."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._route = Route(target)
        self._channel: grpc.aio.Channel | None = None
        self._stub: vault_pb2_grpc.BackupKeyVaultAsyncStub
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
        exchange = Exchange(self._target, self._route, request, lambda: self._is_closed)
        steps = exchange.steps()
        try:
            step = next(steps)
            while True:
                try:
                    value = await self._do(step, request, exchange)
                except (StrongroomError, grpc.RpcError) as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(value)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer

    async def close(self) -> None:
        """Close the channel."""
        self._is_closed = True
        if self._channel is not None:
            await self._channel.close()

    async def _do(self, step: Step, request: Request[Answer], exchange: Exchange[Answer]) -> object:
        match step:
            case Authorize():
                token = self._target.token()
                return await token if inspect.isawaitable(token) else token
            case Find(search):
                return await _result(search)
            case Wait(seconds):
                await asyncio.sleep(seconds)
                return None
            case Send(message, timeout, metadata):
                try:
                    method = getattr(self._open(), type(request).__name__)
                    return await method(message, timeout=timeout, metadata=metadata)
                except asyncio.CancelledError:
                    if self._is_closed and not _is_cancelled():
                        exchange.lost()  # gRPC cancels the calls of a channel that is closed
                        exchange.require_open()
                    raise

    def _open(self) -> vault_pb2_grpc.BackupKeyVaultAsyncStub:
        if self._channel is None:
            address, credentials, options = (
                self._route.uri,
                self._route.credentials,
                self._route.options,
            )
            self._channel = grpc.aio.secure_channel(address, credentials, options=options)
            self._stub = vault_pb2_grpc.BackupKeyVaultStub(self._channel)
        return self._stub


async def _result(search: Diagnosis) -> Finding:
    """Return what a search finds in time, after that how far it came."""
    try:
        return await asyncio.wait_for(asyncio.wrap_future(search.future), search.seconds)
    except TimeoutError:
        return search.so_far


def _is_cancelled() -> bool:
    """Whether somebody cancelled this task, and not gRPC the call in it."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
