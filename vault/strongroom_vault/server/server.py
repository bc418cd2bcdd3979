"""A running vault: puts token workers, ledger, service and gRPC together, and takes them down.

Up, in this order:

 1. Traces, certificate, key set: wrong settings are reported before anything is held.
 2. The lock on the token, then the store with its own lock: no second vault may use either. Two
    that start at once take them in the same order, so that one of them gets both.
 3. The token's workers, after the lock: one vault alone may move the anchor. They derive the
    secrets by which the store is read.
 4. The ledger, which compares the store with the anchor. Before any call: one that is answered
    from an older database is a free guess.
 5. The service. It learns the oldest wrap key before it is asked anything: a registration begun
    under a key that was destroyed since must not be finished.
 6. The guard, and the metrics, before the listener: a start that hangs below can be seen there.
 7. Health, whose first look is awaited, or the listener would say NOT_SERVING of a good vault.
    Then what goes on beside the calls.
 8. The listener for clients, after everything that a call needs.
 9. The admin socket, whose status shows all of these.

Down, in the opposite order, but NOT_SERVING comes first, so that clients go elsewhere. Then the
listener stops taking calls, and guard and service finish what was begun: a charge without its
evaluation costs somebody an attempt. Only then do the ledger, the resident keys that are to be
destroyed, the workers, the store and the locks go; each is needed by those before it.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import structlog
from prometheus_client import CollectorRegistry

from strongroom_protocol import __version__, labels
from strongroom_vault.api import bounds
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.certificates import Certificates
from strongroom_vault.api.guard import Guard, Limits
from strongroom_vault.api.health import Health
from strongroom_vault.api.vault_admin import VaultAdmin
from strongroom_vault.api.vault_status import VaultStatus
from strongroom_vault.errors import HsmUnavailable, OperatorError
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import ListWrapKeys
from strongroom_vault.hsm.token_anchor import TokenAnchor
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.platform import tasks
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.platform.gc import tune_gc
from strongroom_vault.server import background, metrics, parts
from strongroom_vault.server.admin_socket import admin_socket
from strongroom_vault.server.listener import SERVICE_NAME, listener
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.service.resident_keys import ResidentKeys
from strongroom_vault.service.rotation import Rotation
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from strongroom_vault.hsm.jobs import Ready
    from strongroom_vault.settings.config import Settings
    from strongroom_vault.store.interface import Store

log = structlog.get_logger()


class VaultServer:
    """One vault from its settings: `async with VaultServer(settings)`, or `run` until a signal."""

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
        self._certificates: Certificates
        self._ledger: Ledger
        self._service: BackupKeyService
        self._rotation: Rotation
        self._guard: Guard
        self._watch: background.HealthWatch
        self.port = 0

    async def run(self, serving: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, or until `serving` ends, which runs beside it."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        async with self:
            loop.add_signal_handler(signal.SIGHUP, self._certificates.reload)
            tune_gc()
            if serving is not None:
                beside = asyncio.create_task(serving())
                beside.add_done_callback(lambda _: stopping.set())
                self._exit.push_async_callback(tasks.cancel, beside)
            await stopping.wait()

    async def __aenter__(self) -> Self:
        """Start everything, and serve.

        Raises:
            OperatorError: a part cannot start; nothing is left running.
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
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop in order; every attempt that was charged is finished."""
        log.info("stopping")
        self._health.close()
        await self._exit.aclose()
        log.info("stopped")

    async def _start(self, up: AsyncExitStack) -> None:
        """Take the steps up; each leaves in `up` how it is taken back."""
        settings = self._settings
        parts.set_up_traces(settings, up)  # 1
        self._certificates = Certificates(settings.listen)
        access_tokens = AccessTokens(
            settings.vault.id, parts.key_set(settings), settings.access_tokens.issuer
        )
        store = parts.open_store(settings, up)  # 2
        up.push_async_callback(self._pool.close)  # 3: also workers of a start that is cut off
        ready = await self._pool.start()
        residents = ResidentKeys(self._pool)
        await self._open_ledger(up, store, residents, ready)  # 4
        await self._open_service(up, residents, ready)  # 5
        self._watch = background.HealthWatch(  # 6
            self._pool, self._ledger, self._health, self._is_draining
        )
        registry = self._registry()
        requests = metrics.Requests(registry)
        limits = Limits(settings.listen.max_in_flight, settings.listen.max_in_flight_per_account)
        self._guard = Guard(access_tokens, limits, requests.observe)
        up.push_async_callback(self._guard.drain)
        if settings.metrics.address is not None:
            up.callback(metrics.serve(registry, settings.metrics.address))
        await self._begin_background(up, residents)  # 7
        self.port = await up.enter_async_context(  # 8
            listener(
                settings.listen,
                connections=bounds.max_connections(
                    settings.listen.max_connections, settings.token.workers
                ),
                credentials=self._certificates.credentials,
                guard=self._guard,
                service=self._service,
                health=self._health,
            )
        )
        admin = VaultAdmin(  # 9
            self._status, self._guard, self._service, self._rotation, self._certificates
        )
        await up.enter_async_context(admin_socket(settings.listen.admin_socket, admin))

    async def _open_ledger(
        self, up: AsyncExitStack, store: Store, residents: ResidentKeys, ready: Ready
    ) -> None:
        self._ledger = Ledger(
            store,
            TokenAnchor(self._pool),
            _keys(ready).ledger,
            self._settings.vault.id,
            on_keys_dropped=residents.destroy_dropped,
        )
        try:
            await self._ledger.start()
        except (StoreError, HsmUnavailable) as error:
            raise OperatorError(f"the ledger cannot be checked: {error}") from error
        if self._ledger.rollback is not None:
            log.error("rollback detected", problem=self._ledger.rollback)
        up.push_async_callback(residents.drain)
        up.push_async_callback(self._ledger.close)

    async def _open_service(
        self, up: AsyncExitStack, residents: ResidentKeys, ready: Ready
    ) -> None:
        settings = self._settings
        self._started_at = now_ms()
        self._service = BackupKeyService(
            parts.parameters(settings, ready.identity_public_key),
            _keys(ready),
            self._ledger,
            self._pool,
            residents=residents,
            makes_resident_keys=settings.token.residency == "token",
            back_off=settings.vault.back_off_s,
        )
        refuse_wrap_keys_before = self._service.registration.refuse_wrap_keys_before
        refuse_wrap_keys_before(await _oldest_wrap_key(self._pool))
        up.push_async_callback(self._service.drain)
        self._rotation = Rotation(self._pool, self._ledger, refuse_wrap_keys_before)
        up.push_async_callback(self._rotation.stop)

    async def _begin_background(self, up: AsyncExitStack, residents: ResidentKeys) -> None:
        await self._watch.look()
        period_s = self._settings.vault.sweep_period_s
        keys, ledger = self._service.keys, self._ledger
        for name, work in (
            ("health", self._watch.run()),
            ("sweep", background.sweep(keys, ledger, period_s, self._is_draining)),
            ("reconcile", background.reconcile(residents, ledger, self._is_draining)),
        ):
            up.push_async_callback(tasks.cancel, tasks.background(work, name))

    def _is_draining(self) -> bool:
        return self._guard.is_draining

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(
            metrics.Collected(
                self._pool,
                self._ledger,
                self._rotation,
                lambda: self._watch.was_serving,
                lambda: self._certificates.ends_at,
            )
        )
        return registry

    def _status(self) -> VaultStatus:
        statistics = self._ledger.statistics
        return VaultStatus(
            vault_id=self._settings.vault.id,
            identity_public_key=self._service.parameters.identity_public_key,
            version=__version__,
            started_at=self._started_at,
            serving=self._watch.serving,
            token_workers=self._pool.workers,
            token_workers_ready=self._pool.ready,
            token_workers_replaced=self._pool.replaced,
            commits=statistics.commits,
            changes=statistics.changes,
            draining=self._guard.is_draining,
            in_flight=max(self._guard.in_flight, self._service.under_way),  # operators' calls too
        )


def _keys(ready: Ready) -> Keys:
    return Keys(dict(zip(labels.DERIVED_KEYS, ready.secrets, strict=True)))


async def _oldest_wrap_key(pool: TokenPool) -> int:
    """Return the number of the oldest wrap key that the token has."""
    try:
        numbers = (await pool.run(ListWrapKeys())).numbers
    except HsmUnavailable as error:
        raise OperatorError(f"the token cannot be used: {error}") from error
    if len(numbers) > 1:
        log.warning("a rotation was cut off; run strongroom-vault rotate-wrap-key")
    return numbers[0]
