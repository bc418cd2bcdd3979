"""Metrics for Prometheus, on a listener of their own. Nothing secret, no account names.

Most are numbers that the vault's objects count anyway, read at each scrape (`Collected`).
`docs/operations.md` says what each is good for; `deploy/` has a dashboard and alerts over them.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import ThreadingWSGIServer
from prometheus_client.registry import Collector

from strongroom_vault.api.guard import SCOPES
from strongroom_vault.errors import OperatorError
from strongroom_vault.records.events import EventKind
from strongroom_vault.server import listen_addresses
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

    from strongroom_vault.hsm.dispatcher import TokenPool
    from strongroom_vault.ledger.group_commit import Ledger
    from strongroom_vault.service.rotation import Rotation

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

MAX_SCRAPES: Final = 8
"""Connections to the metrics at once."""
SCRAPE_S: Final = 10

Row: TypeAlias = tuple[str, str, float]
"""Name, what it is, value."""
Connection: TypeAlias = socket.socket | tuple[bytes, socket.socket]
Address: TypeAlias = tuple[str, int]
"""As `socketserver` has them."""


class Requests:
    """Calls by outcome, and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._total = Counter(
            "strongroom_requests",
            "Calls of BackupKeyVault by call and outcome: OK, a reason, or INTERNAL.",
            ("call", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "strongroom_request_seconds",
            "How long calls took, refused ones too.",
            ("call",),
            buckets=BUCKETS,
            registry=registry,
        )

        for call in SCOPES:
            for outcome in ("OK", "INTERNAL"):  # from 0 on, or the first would be no increase
                self._total.labels(call, outcome)

    def observe(self, call: str, outcome: str, seconds: float) -> None:
        """Count one call."""
        self._total.labels(call, outcome).inc()
        self._seconds.labels(call).observe(seconds)


class Collected(Collector):
    """Everything else, read from the running vault at each scrape."""

    def __init__(
        self,
        pool: TokenPool,
        ledger: Ledger,
        rotation: Rotation,
        is_serving: Callable[[], bool],
        certificate_ends_at: Callable[[], float],
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._rotation = rotation
        self._is_serving = is_serving
        self._certificate_ends_at = certificate_ends_at

    def collect(self) -> Iterator[Metric]:
        """Return all metrics as they are now."""
        for name, text, value in self._gauges():
            yield GaugeMetricFamily(f"strongroom_{name}", text, value)
        for name, text, value in self._counters():
            yield CounterMetricFamily(f"strongroom_{name}", text, value)
        events = CounterMetricFamily(
            "strongroom_events", "Events of the audit log since start, by name.", labels=["event"]
        )
        # Copied, as the jobs below: scrapes have threads of their own, and a dictionary that grows
        # while it is walked raises an error.
        counts = self._ledger.statistics.events.copy()
        for kind in EventKind:
            events.add_metric([kind.value], counts[kind])
        yield events
        jobs = CounterMetricFamily(
            "strongroom_token_jobs", "Jobs of token workers.", labels=["kind", "outcome"]
        )
        for (job, outcome), count in self._pool.jobs.copy().items():
            jobs.add_metric([job, outcome], count)
        yield jobs
        seconds = CounterMetricFamily(
            "strongroom_token_job_seconds", "Time that these jobs took.", labels=["kind"]
        )
        for job, total_s in self._pool.job_s.copy().items():
            seconds.add_metric([job], total_s)
        yield seconds

    def _gauges(self) -> Iterator[Row]:
        pool, ledger = self._pool, self._ledger
        yield (
            "serving",
            "1 while token and store answer and no rollback is seen.",
            self._is_serving(),
        )
        yield (
            "rollback_detected",
            "1 once the database is not what the anchor says.",
            (ledger.rollback is not None),
        )
        yield "ledger_epoch", "Number of the newest commit.", ledger.epoch
        yield "ledger_waiting", "Changes that wait for a commit.", ledger.waiting
        yield "token_workers", "Token workers as configured.", pool.workers
        yield "token_workers_ready", "Token workers with an open session.", pool.ready
        yield "token_jobs_waiting", "Jobs that wait for a token worker.", pool.waiting
        yield (
            "certificate_ends_seconds",
            "Unix time when the TLS certificate expires.",
            (self._certificate_ends_at()),
        )
        yield "rotation_under_way", "1 while the wrap key is rotated.", self._rotation.is_under_way
        yield "clock_seconds", "Unix time by this machine's clock.", time.time()

    def _counters(self) -> Iterator[Row]:
        pool, statistics = self._pool, self._ledger.statistics
        yield "commits", "Commits since start.", statistics.commits
        yield "changes", "Record changes in these commits.", statistics.changes
        yield "commit_seconds", "Time that commits took, without the anchor.", statistics.commit_s
        yield "anchor_seconds", "Time that moving the anchor took.", self._ledger.anchor_s
        yield "store_errors", "Commits that the store refused.", statistics.store_errors
        yield "token_workers_replaced", "Token workers replaced since start.", pool.replaced
        yield "records_rewrapped", "Records rewrapped by rotations.", self._rotation.rewrapped


class _Scrape(WSGIRequestHandler):
    """One connection of Prometheus, without a line in the log."""

    timeout = SCRAPE_S

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class _Server(ThreadingWSGIServer):
    """Takes a few connections at once and closes the others: each holds a thread and a file."""

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(MAX_SCRAPES)
        super().__init__(address, handler)

    def process_request(self, request: Connection, client_address: Address) -> None:
        """Answer in a thread, if there is a place."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Connection, client_address: Address) -> None:
        """Answer, and give the place back."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Connection, client_address: Address) -> None:
        """Log nothing about a connection that sent no request in time, or went away."""


class _Server6(_Server):
    """The same at an address of IPv6."""

    address_family = socket.AF_INET6


def serve(registry: CollectorRegistry, address: str) -> Callable[[], None]:
    """Serve the registry over HTTP at host:port; return what ends that.

    Raises:
        OperatorError: the address cannot be listened on.
    """
    with (
        ExitStack() as undo,
        listen_addresses.reserved(address, named("metrics", "address")) as addresses,
    ):
        for each in addresses:
            undo.callback(_serve_on(each, registry))
        return undo.pop_all().close


def _serve_on(
    address: listen_addresses.ListenAddress, registry: CollectorRegistry
) -> Callable[[], None]:
    kind = _Server6 if address.family == socket.AF_INET6 else _Server
    try:
        server = make_server(address.host, address.port, make_wsgi_app(registry), kind, _Scrape)
    except OSError as error:
        raise OperatorError(f"cannot serve metrics at {address}: {error.strerror}") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
