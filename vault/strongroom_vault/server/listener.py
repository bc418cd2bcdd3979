"""The gRPC listener for clients: TLS, bounds, services, and every address of the settings."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from strongroom_protocol.v1 import vault_pb2, vault_pb2_grpc
from strongroom_vault.api import bounds
from strongroom_vault.api.backup_key_vault import BackupKeyVault
from strongroom_vault.errors import OperatorError
from strongroom_vault.server import listening
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from strongroom_vault.api.guard import Guard
    from strongroom_vault.api.health import Health
    from strongroom_vault.service.backup_keys import BackupKeyService
    from strongroom_vault.settings.config import Listen

SERVICE_NAME: Final = vault_pb2.DESCRIPTOR.services_by_name["BackupKeyVault"].full_name
HEALTH_NAME: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
GRACE_S: Final = 10.0
"""How long calls under way may take to end when the vault goes down."""


@asynccontextmanager
async def listener(
    settings: Listen,
    *,
    connections: int,
    credentials: Callable[[], grpc.ServerCredentials],
    guard: Guard,
    service: BackupKeyService,
    health: Health,
) -> AsyncIterator[int]:
    """Serve clients for the time of the block, which gets the port.

    Args:
        settings: where to listen, and with which bounds.
        connections: the most at once, over all addresses.
        credentials: makes those for TLS; gRPC takes them for one address only.
        guard: passes each call on, or refuses it.
        service: the use cases.
        health: answers clients and probes.

    Raises:
        OperatorError: an address cannot be listened at.
    """
    port = 0
    with listening.held(settings.address, named("listen", "address")) as places:
        # gRPC bounds the connections of each address by itself.
        each = max(1, connections // len(places))
        options = bounds.server_options(each, settings.max_connection_age_s)
        server = grpc.aio.server(interceptors=(guard,), options=options)
        servicer = cast("vault_pb2_grpc.BackupKeyVaultServicer", BackupKeyVault(service))
        vault_pb2_grpc.add_BackupKeyVaultServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        if settings.reflection:
            names = (SERVICE_NAME, HEALTH_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        for place in places:
            port = _bind(server, place, credentials())
        await server.start()
    try:
        yield port
    finally:
        await server.stop(GRACE_S)


def _bind(
    server: grpc.aio.Server, place: listening.Place, credentials: grpc.ServerCredentials
) -> int:
    try:
        return server.add_secure_port(str(place), credentials)
    except RuntimeError as error:
        raise OperatorError(f"cannot listen at {place}: {error}") from error
