"""The clients' listener: TLS, health, reflection if it is wanted, and an address that is taken."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import grpc
import msgspec
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from vault_process import SoftHsm, prepare_vault

from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_protocol.v1 import vault_pb2_grpc
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.certificates import Certificates
from strongroom_vault.api.guard import Guard, Limits
from strongroom_vault.api.health import Health
from strongroom_vault.errors import OperatorError
from strongroom_vault.server import parts
from strongroom_vault.server.listener import SERVICE_NAME, listener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from strongroom_vault.settings.config import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    softhsm = SoftHsm(tmp_path / "token", "/no/module", "label")
    return prepare_vault(tmp_path / "vault", softhsm).settings()


@asynccontextmanager
async def listening(
    settings: Settings, health: Health, **listen: object
) -> AsyncIterator[tuple[int, grpc.aio.Channel]]:
    """A listener without a service behind it, and a client."""
    guard = Guard(AccessTokens(settings.vault.id, parts.key_set(settings)), Limits(8, 8))
    certificates = Certificates(settings.listen)
    roots = grpc.ssl_channel_credentials(settings.listen.certificate_file.read_bytes())
    async with (
        listener(
            msgspec.structs.replace(settings.listen, **listen),
            connections=8,
            credentials=certificates.credentials,
            guard=guard,
            service=cast("Any", None),
            health=health,
        ) as port,
        grpc.aio.secure_channel(f"localhost:{port}", roots) as channel,
    ):
        yield port, channel


async def test_every_address_answers_over_tls(settings: Settings) -> None:
    health = Health(("", SERVICE_NAME))
    health.set(serving=True)
    async with listening(settings, health) as (port, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE_NAME), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), timeout=10).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


async def test_the_guard_stands_before_every_call(settings: Settings) -> None:
    async with listening(settings, Health(("",))) as (_, channel):
        stub = vault_pb2_grpc.BackupKeyVaultStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.GetKey(pb.GetKeyRequest(), timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("wanted", [True, False])
async def test_reflection_is_offered_on_demand_alone(settings: Settings, *, wanted: bool) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with listening(settings, Health(("",)), reflection=wanted) as (_, channel):
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([request]), timeout=10)
        if wanted:
            services = (await call.read()).list_services_response.service
            assert SERVICE_NAME in {service.name for service in services}
        else:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await call.read()
            assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_an_address_that_another_process_has(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"localhost:{other.getsockname()[1]}"
        with pytest.raises(OperatorError, match="another process listens there"):
            await listening(settings, Health(("",)), address=address).__aenter__()
