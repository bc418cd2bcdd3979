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
from strongroom_vault.server import listen_addresses
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
        guard: stands before every call.
        service: the use cases.
        health: answers clients and probes.

    Raises:
        OperatorError: the vault cannot listen on one of the addresses.
    """
    port = 0
    with listen_addresses.reserved(settings.address, named("listen", "address")) as addresses:
        # gRPC counts the connections of each address by itself: undivided, localhost with its two
        # addresses would get twice the connections that the limit on open files allows.
        each = max(1, connections // len(addresses))
        options = bounds.server_options(each, settings.max_connection_age_s)
        # No service is reached but through the guard, also not health and reflection.
        server = grpc.aio.server(interceptors=(guard,), options=options)
        # The guard replaces gRPC's context by the Caller. The generated function wants its own
        # base class, by name, so no Protocol can say so.
        servicer = cast("vault_pb2_grpc.BackupKeyVaultServicer", BackupKeyVault(service))
        vault_pb2_grpc.add_BackupKeyVaultServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
        if settings.reflection:
            names = (SERVICE_NAME, HEALTH_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        for address in addresses:
            port = _bind(server, address, credentials())
        # Still within the reservation: between the end of it and `start` another process could
        # take the port of one address.
        await server.start()
    try:
        yield port
    finally:
        # New calls are refused at once. Those under way get this long to send their answers: an
        # attempt that is charged is worth waiting for, and the guard drains what gRPC cuts off.
        await server.stop(GRACE_S)


def _bind(
    server: grpc.aio.Server,
    address: listen_addresses.ListenAddress,
    credentials: grpc.ServerCredentials,
) -> int:
    try:
        return server.add_secure_port(str(address), credentials)
    except RuntimeError as error:
        raise OperatorError(f"cannot listen at {address}: {error}") from error
