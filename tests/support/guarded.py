"""A real gRPC server behind the vault's guard, with a handler that does what a test wants."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import grpc
from grpc_health.v1 import health_pb2_grpc
from wire_client import Refused

from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_protocol.v1 import vault_pb2_grpc
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.guard import Guard, Limits
from strongroom_vault.api.health import Health
from strongroom_vault.api.key_sets import KeySetFile
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from strongroom_vault.api.caller import Caller

VAULT_ID: Final = "vault.test"
SERVICE: Final = "/strongroom.v1.BackupKeyVault/"


class Handlers:
    """Notes who called; waits for `may_answer`; raises `error` if there is one."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.answered = 0
        self.error: Exception | None = None
        self.called = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def _answer(self, caller: Any) -> None:
        self.callers.append(caller)
        self.called.set()
        await self.may_answer.wait()
        if self.error is not None:
            raise self.error
        self.answered += 1

    async def GetVault(self, _: object, caller: Any) -> pb.GetVaultResponse:
        await self._answer(caller)
        return pb.GetVaultResponse(vault_id=VAULT_ID)

    async def GetKey(self, _: object, caller: Any) -> pb.GetKeyResponse:
        await self._answer(caller)
        return pb.GetKeyResponse(absent=pb.GetKeyResponse.Absent())

    async def _other(self, _: object, caller: object) -> None:
        raise NotImplementedError

    StartRegistration = FinishRegistration = StartRecovery = FinishRecovery = DeleteKey = _other


class Guarded:
    """A guarded server, whoever calls it, and what its guard observed: call and outcome."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self._folder = folder
        self.handlers = Handlers()
        self.health = Health(("",))
        self.observed: list[tuple[str, str]] = []
        access_tokens = AccessTokens(VAULT_ID, KeySetFile(issuer.create_issuer(folder)))
        self.guard = Guard(access_tokens, limits, self._observe)
        self.port = 0
        self._channels: list[grpc.aio.Channel] = []

    def _observe(self, call: str, outcome: str, _seconds: float) -> None:
        self.observed.append((call, outcome))

    def bearer(self, account: str = "alice", scope: str = "read") -> tuple[tuple[str, str], ...]:
        """The metadata of a call with an access token."""
        token = issuer.issue(self._folder, VAULT_ID, account, scope, 600)
        return (("authorization", f"Bearer {token}"),)

    def connect(self) -> grpc.aio.Channel:
        """A connection of its own."""
        options = (("grpc.use_local_subchannel_pool", 1),)
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=options)
        self._channels.append(channel)
        return channel

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def guarded(folder: Path, in_flight: int = 8, per_account: int = 2) -> AsyncIterator[Guarded]:
    """Serve on a port of this machine; there is no TLS before it, of which no guard knows."""
    world = Guarded(folder, Limits(in_flight, per_account))
    server = grpc.aio.server(interceptors=(world.guard,))
    handlers: Any = world.handlers
    vault_pb2_grpc.add_BackupKeyVaultServicer_to_server(handlers, server)
    health_pb2_grpc.add_HealthServicer_to_server(world.health, server)
    world.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield world
    finally:
        world.handlers.may_answer.set()
        world.health.close()
        await world.close()
        await world.guard.drain()
        await server.stop(0)


def send(
    channel: grpc.aio.Channel,
    call: str = "GetKey",
    metadata: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Any:
    """Make a call of plain bytes."""
    multi_callable: Any = channel.unary_unary(SERVICE + call)
    return multi_callable(body, metadata=tuple(metadata), timeout=20)


def open_call(
    channel: grpc.aio.Channel,
    path: str = SERVICE + "GetKey",
    metadata: Any = (),
    requests: Any = None,
) -> Any:
    """Open a call and send these requests; None sends nothing, and leaves the call open."""
    multi_callable: Any = channel.stream_unary(path)
    return multi_callable(requests, metadata=metadata, timeout=20)


async def refused(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call was answered")


def reason(error: grpc.aio.AioRpcError) -> str | None:
    """The reason of a refusal, None where it has none."""
    return Refused(error).reason
