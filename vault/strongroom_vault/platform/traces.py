"""OpenTelemetry traces, if `[traces] endpoint` names a collector (extra `traces`).

One trace for each call of BackupKeyVault, with a span for every wait: for a commit, for the token.
Nothing secret, no account names. A trace never continues a client's: clients must not choose what
is recorded. While the collector is away spans are lost, and nothing else happens.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

SERVICE_NAME: Final = "strongroom-vault"
EXPORT_TIMEOUT_S: Final = 2
"""For one export; also what the vault may wait for its collector when it goes down."""


class Span(Protocol):
    """The part of a span that callers use."""

    def set_attribute(self, key: str, value: str) -> None:
        """Add an attribute."""


class _NoSpan:
    def set_attribute(self, key: str, value: str) -> None:
        """Do nothing."""


_NO_SPAN: Final[AbstractContextManager[Span]] = nullcontext(_NoSpan())
_tracer: Any = None
_api: Any = None


def trace(name: str, **attributes: str) -> AbstractContextManager[Span]:
    """Return a block that is the first span of a trace."""
    return _NO_SPAN if _tracer is None else _begin(name, attributes)


def span(name: str, **attributes: str) -> AbstractContextManager[Span]:
    """Return a block that is a span of the trace that this task is in, if it is in one."""
    if _tracer is None or not _api.get_current_span().get_span_context().is_valid:
        return _NO_SPAN
    return _begin(name, attributes)


def _begin(name: str, attributes: dict[str, str]) -> AbstractContextManager[Span]:
    begun: AbstractContextManager[Span] = _tracer.start_as_current_span(
        name,
        attributes=attributes,
        record_exception=False,  # its text may be anything
        set_status_on_exception=False,
    )
    return begun


def configure(endpoint: str, ratio: float, vault_id: str, version: str) -> Callable[[], None]:
    """Send traces from now on; return what sends the last ones and ends that. Blocking.

    Args:
        endpoint: http(s)://host:port of a collector that takes OTLP over gRPC.
        ratio: how many of all calls are traced, 0 to 1.
        vault_id: names this vault in its traces.
        version: of this program.

    Raises:
        OperatorError: the extra `traces` is not installed.
    """
    global _tracer, _api  # noqa: PLW0603 -- one process, one vault
    try:
        _api = import_module("opentelemetry.trace")
        sdk = import_module("opentelemetry.sdk.trace")
        export = import_module("opentelemetry.sdk.trace.export")
        sampling = import_module("opentelemetry.sdk.trace.sampling")
        resources = import_module("opentelemetry.sdk.resources")
        otlp = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
    except ImportError as error:
        raise OperatorError(
            f"[traces] needs the extra: pip install 'strongroom[traces]' ({error})"
        ) from error
    attributes = {
        "service.name": SERVICE_NAME,
        "service.instance.id": vault_id,
        "service.version": version,
    }
    provider = sdk.TracerProvider(
        sampler=sampling.TraceIdRatioBased(ratio),
        resource=resources.Resource(attributes),
        shutdown_on_exit=False,
    )
    exporter = otlp.OTLPSpanExporter(
        endpoint,
        timeout=EXPORT_TIMEOUT_S,
        channel_options=(("grpc.enable_http_proxy", 0),) if is_loopback(endpoint) else None,
    )
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _tracer = provider.get_tracer(SERVICE_NAME, version)

    def stop() -> None:
        global _tracer  # noqa: PLW0603
        _tracer = None
        provider.shutdown()

    return stop
