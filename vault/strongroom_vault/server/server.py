"""A running vault: assembles token workers, ledger, service and gRPC, and takes them down in order.

Going down: say NOT_SERVING, take no new calls, finish what is charged, then close the ledger and
the token.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, cast

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from strongroom_protocol import __version__, labels
from strongroom_protocol.v1 import vault_pb2, vault_pb2_grpc
from strongroom_vault.api import bounds
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.backup_key_vault import BackupKeyVault
from strongroom_vault.api.certificates import Certificates
from strongroom_vault.api.guard import Guard, Limits
from strongroom_vault.api.health import Health
from strongroom_vault.api.key_sets import KeySet, KeySetFile, KeySetUrl
from strongroom_vault.api.vault_admin import VaultAdmin
from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.errors import HsmUnavailable, OperatorError, Refusal
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import ListWrapKeys, ReadAnchor
from strongroom_vault.hsm.token_anchor import TokenAnchor
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.platform import traces
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.platform.gc import tune_gc
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.platform.unix_sockets import grpc_target, short_path
from strongroom_vault.server import listening, metrics
from strongroom_vault.service.answers import VaultParameters
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.service.resident_keys import RECONCILE_PERIOD_S, ResidentKeys
from strongroom_vault.service.rotation import Rotation
from strongroom_vault.store.interface import BUCKET_BITS, StoreError
from strongroom_vault.store.sqlite import SqliteStore
from strongroom_vault.v1 import admin_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from strongroom_vault.settings.config import Settings

log = structlog.get_logger()

SERVICE_NAME: Final = vault_pb2.DESCRIPTOR.services_by_name["BackupKeyVault"].full_name
HEALTH_NAME: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
HEALTH_PERIOD_S: Final = 1.0
TOKEN_PERIOD_S: Final = 10.0
"""How often the token is asked for its anchor although nobody needs it."""
GRACE_S: Final = 10.0
"""How long calls under way may take to end when the vault goes down."""


class VaultServer:
    """One vault from its settings. `start`, then `stop`; or `run` until a signal comes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = TokenPool(
            settings.token.for_workers(),
            workers=settings.token.workers,
            labels=labels.DERIVED_KEYS,
            call_timeout=settings.token.call_timeout_s,
        )
        self._health = Health(("", SERVICE_NAME))
        self._exit = AsyncExitStack()
        self._started_at = 0
        self._connections = 0
        self._serving: bool | None = None
        self._certificates: Certificates
        self._rotation: Rotation
        self._ledger: Ledger
        self._service: BackupKeyService
        self._guard: Guard
        self.port = 0

    async def run(self, serving: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or until `serving` ends, which runs beside it."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        await self.start()
        loop.add_signal_handler(signal.SIGHUP, self._certificates.reload)
        tune_gc()
        if serving is not None:
            beside = asyncio.create_task(serving())
            beside.add_done_callback(lambda _: stopping.set())
            self._exit.push_async_callback(_cancel, beside)
        try:
            await stopping.wait()
        finally:
            await self.stop()

    async def start(self) -> None:
        """Start everything, and serve.

        Raises:
            OperatorError: something is not as it should be; nothing is left running.
        """
        async with AsyncExitStack() as exit_stack:
            await self._start(exit_stack)
            self._exit = exit_stack.pop_all()
        log.info(
            "serving",
            vault_id=self._settings.vault.id,
            port=self.port,
            token_workers=self._pool.ready,
            version=__version__,
        )

    async def stop(self) -> None:
        """Stop in order; what is charged comes to its end."""
        log.info("stopping")
        self._health.close()
        await self._exit.aclose()
        log.info("stopped")

    async def _start(self, exit_stack: AsyncExitStack) -> None:
        settings = self._settings
        self._connections = bounds.max_connections(
            settings.listen.max_connections, settings.token.workers
        )
        if settings.traces.endpoint is not None:
            stop = traces.configure(
                settings.traces.endpoint, settings.traces.ratio, settings.vault.id, __version__
            )
            exit_stack.push_async_callback(asyncio.to_thread, stop)
        self._certificates = Certificates(settings.listen)
        access_tokens = AccessTokens(
            settings.vault.id, _key_set(settings), settings.access_tokens.issuer
        )
        lock = lock_exclusively(
            settings.token.pin_file,
            f"another vault uses the token whose PIN is in {settings.token.pin_file}",
        )
        exit_stack.callback(os.close, lock)
        store = SqliteStore(settings.store.path, settings.vault.id)
        exit_stack.callback(store.close)
        ready = await self._pool.start()
        exit_stack.push_async_callback(self._pool.close)
        keys = Keys(dict(zip(labels.DERIVED_KEYS, ready.secrets, strict=True)))
        residents = ResidentKeys(self._pool)
        self._ledger = Ledger(
            store,
            TokenAnchor(self._pool),
            keys.ledger,
            settings.vault.id,
            on_keys_dropped=residents.destroy_dropped,
        )
        await _started(self._ledger)
        if self._ledger.rollback is not None:
            log.error("rollback detected", problem=self._ledger.rollback)
        exit_stack.push_async_callback(residents.drain)
        exit_stack.push_async_callback(self._ledger.close)
        self._started_at = now_ms()
        self._service = BackupKeyService(
            _parameters(settings, ready.identity_public_key),
            keys,
            self._ledger,
            self._pool,
            residents=residents,
            makes_resident_keys=settings.token.residency == "token",
            back_off=settings.vault.back_off_s,
        )
        self._service.registration.refuse_wrap_keys_before(await self._oldest_wrap_key())
        exit_stack.push_async_callback(self._service.drain)
        self._rotation = Rotation(
            self._pool, self._ledger, self._service.registration.refuse_wrap_keys_before
        )
        exit_stack.push_async_callback(self._rotation.stop)
        registry = self._registry()
        requests = metrics.Requests(registry)
        limits = Limits(settings.listen.max_in_flight, settings.listen.max_in_flight_per_account)
        self._guard = Guard(access_tokens, limits, requests.observe)
        exit_stack.push_async_callback(self._guard.drain)
        if settings.metrics.address is not None:
            exit_stack.callback(metrics.serve(registry, settings.metrics.address))
        await self._look(ask_token=True)
        for work in (
            self._watch(),
            self._sweep(settings.vault.sweep_period_s),
            self._look_after(residents),
        ):
            exit_stack.push_async_callback(_cancel, asyncio.create_task(work))
        with listening.held(settings.listen.address) as places:
            server = self._grpc_server(len(places))
            for place in places:
                self.port = _bind(server, place, self._certificates.credentials())
            await server.start()
        exit_stack.push_async_callback(server.stop, GRACE_S)
        await self._start_admin(exit_stack)

    async def _oldest_wrap_key(self) -> int:
        """A registration that began under a key that is gone by now must not be finished."""
        try:
            numbers = (await self._pool.run(ListWrapKeys())).numbers
        except HsmUnavailable as error:
            raise OperatorError(f"the token cannot be used: {error}") from error
        if len(numbers) > 1:
            log.warning("a rotation was cut off; run strongroom-vault rotate-wrap-key")
        return numbers[0]

    def _grpc_server(self, places: int) -> grpc.aio.Server:
        """Make a server for so many addresses; gRPC bounds the connections of each by itself."""
        listen = self._settings.listen
        connections = max(1, self._connections // places)
        options = bounds.server_options(connections, listen.max_connection_age_s)
        server = grpc.aio.server(interceptors=(self._guard,), options=options)
        servicer = cast("vault_pb2_grpc.BackupKeyVaultServicer", BackupKeyVault(self._service))
        vault_pb2_grpc.add_BackupKeyVaultServicer_to_server(servicer, server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.listen.reflection:
            names = (SERVICE_NAME, HEALTH_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        return server

    async def _start_admin(self, exit_stack: AsyncExitStack) -> None:
        """Serve operators on a Unix socket that its owner alone can open."""
        path = exit_stack.enter_context(short_path(self._settings.listen.admin_socket))
        _remove_stale(path)
        server = grpc.aio.server(options=bounds.ADMIN_OPTIONS)
        admin = VaultAdmin(
            self._status, self._guard, self._service, self._rotation, self._certificates
        )
        admin_pb2_grpc.add_VaultAdminServicer_to_server(admin, server)
        before = os.umask(0o177)
        try:
            server.add_insecure_port(grpc_target(path))
            await server.start()
        except RuntimeError as error:
            named = self._settings.listen.admin_socket
            raise OperatorError(f"cannot listen on the admin socket {named}: {error}") from error
        finally:
            os.umask(before)
        exit_stack.push_async_callback(server.stop, 0)

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(
            metrics.Collected(
                self._pool,
                self._ledger,
                self._rotation,
                lambda: bool(self._serving),
                lambda: self._certificates.ends_at,
            )
        )
        return registry

    def _status(self) -> VaultStatus:
        return VaultStatus(
            vault_id=self._settings.vault.id,
            identity_public_key=self._service.parameters.identity_public_key,
            version=__version__,
            started_at=self._started_at,
            serving=bool(self._serving) and self._may_serve,
            token_workers=self._pool.workers,
            token_workers_ready=self._pool.ready,
            token_workers_replaced=self._pool.replaced,
            commits=self._ledger.statistics.commits,
            changes=self._ledger.statistics.changes,
            draining=self._guard.is_draining,
            in_flight=max(self._guard.in_flight, self._service.under_way),  # operators' calls too
        )

    @property
    def _may_serve(self) -> bool:
        return self._pool.healthy and self._ledger.rollback is None and not self._guard.is_draining

    async def _watch(self) -> None:
        """Look again and again whether token and store answer."""
        loop = asyncio.get_running_loop()
        token_asked_at = loop.time()
        while True:
            await asyncio.sleep(HEALTH_PERIOD_S)
            ask_token = not self._serving or loop.time() >= token_asked_at + TOKEN_PERIOD_S
            if ask_token:
                token_asked_at = loop.time()
            await self._look(ask_token=ask_token)

    async def _look(self, *, ask_token: bool) -> None:
        """Look whether token and store answer, and tell the health service if that is new."""
        before, self._serving = self._serving, await self._answers(ask_token=ask_token)
        if self._serving is not before:
            self._health.set(serving=self._serving)
            log.info("health", serving=self._serving)

    async def _answers(self, *, ask_token: bool) -> bool:
        if not self._may_serve:
            return False
        try:
            if ask_token and (await self._pool.run(ReadAnchor())).value is None:
                log.warning("the token has no anchor")
                return False
            await self._ledger.check()
        except StoreError as error:
            log.warning("store does not answer", problem=str(error))
            return False
        except Refusal as refusal:
            log.warning("the token does not answer", problem=str(refusal))
            return False
        return True

    async def _look_after(self, residents: ResidentKeys) -> None:
        """Find the keys in the token that no record needs."""
        while True:
            try:
                if not self._guard.is_draining:
                    await residents.reconcile(self._ledger)
            except (Refusal, StoreError) as error:
                log.warning("look at resident keys failed", problem=str(error))
            await asyncio.sleep(RECONCILE_PERIOD_S)

    async def _sweep(self, period_s: float) -> None:
        """Walk over all records, a bucket at a time, and destroy the keys that are spent."""
        buckets = 2**BUCKET_BITS
        while True:
            for bucket in range(buckets):
                await asyncio.sleep(period_s / buckets)
                if self._ledger.rollback is not None or self._guard.is_draining:
                    continue
                try:
                    destroyed = await self._service.keys.sweep_bucket(bucket)
                except (Refusal, StoreError) as error:
                    log.warning("sweep failed", problem=str(error))
                    continue
                if destroyed:
                    log.info("spent keys destroyed", count=destroyed)


async def _started(ledger: Ledger) -> None:
    try:
        await ledger.start()
    except (StoreError, HsmUnavailable) as error:
        raise OperatorError(f"the ledger cannot be checked: {error}") from error


def _parameters(settings: Settings, identity_public_key: bytes) -> VaultParameters:
    return VaultParameters(
        vault_id=settings.vault.id,
        identity_public_key=identity_public_key,
        stretching=settings.stretching.argon2id(),
        attempt_limit=settings.vault.attempt_limit,
        minimum_attempt_limit=settings.vault.minimum_attempt_limit,
        maximum_attempt_limit=settings.vault.attempt_limit,
    )


def _key_set(settings: Settings) -> KeySet:
    tokens = settings.access_tokens
    if tokens.jwks_file is not None:
        return KeySetFile(tokens.jwks_file)
    if tokens.jwks_url is not None:
        return KeySetUrl(tokens.jwks_url)
    raise RuntimeError("the settings were checked to have one of both")


def _bind(
    server: grpc.aio.Server, place: listening.Place, credentials: grpc.ServerCredentials
) -> int:
    try:
        return server.add_secure_port(str(place), credentials)
    except RuntimeError as error:
        raise OperatorError(f"cannot listen at {place}: {error}") from error


def _remove_stale(path: Path) -> None:
    """Remove the socket of a vault that is gone; refuse to take a living one's place."""
    if not path.is_socket():
        if path.exists():
            raise OperatorError(f"{path} is there and is no socket")
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise OperatorError(f"another vault answers at {path}")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
