"""Traces without a collector, and what one is sent in spite of proxies and errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc

from strongroom_vault.platform import traces


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: object) -> Any:
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return otlp.ExportTraceServiceResponse()


def fail() -> None:
    with traces.trace("StartRecovery") as call:
        call.set_attribute("outcome", "INTERNAL")
        with traces.span("token", job="GenerateKE2"):
            raise LookupError("a secret")


def test_without_a_collector_a_span_is_nothing() -> None:
    with traces.trace("StartRecovery", outcome="OK") as span:
        span.set_attribute("outcome", "OK")
    assert traces.trace("one") is traces.span("another")


def test_a_span_has_its_attributes_and_not_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://localhost:1")
    monkeypatch.setenv("grpc_proxy", "http://localhost:1")
    monkeypatch.delenv("no_proxy")
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(1))
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = traces.configure(f"http://127.0.0.1:{port}", 1.0, "vault.test", "1.0")
    try:
        with traces.span("alone"):
            pass  # in no trace: not recorded
        with pytest.raises(LookupError):
            fail()
    finally:
        stop()
        server.stop(None).wait()
    assert [span.name for span in collector.spans] == ["token", "StartRecovery"]
    assert collector.spans[0].parent_span_id == collector.spans[1].span_id
    assert collector.spans[1].attributes[0].value.string_value == "INTERNAL"
    assert "secret" not in str(collector.spans)
    with traces.trace("after the end") as span:
        span.set_attribute("outcome", "OK")
    assert len(collector.spans) == 2
