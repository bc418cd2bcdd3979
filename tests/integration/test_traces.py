"""Traces, as a real OpenTelemetry collector takes them; and what happens without one."""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc
from quick_account import QuickAccount
from raw_client import Guess, raw_client
from vault_process import make_softhsm, make_vault

from strongroom import HsmUnavailable, KeyDestroyed
from strongroom_vault.errors import OperatorError
from strongroom_vault.platform import traces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

ACCOUNT = "alice-with-a-name"


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def Export(self, request: Any, context: object) -> Any:
        self.requests.append(request)
        return otlp.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Span]:
        """All spans, in the order in which they ended."""
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    found = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    otlp_grpc.add_TraceServiceServicer_to_server(found, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield found, f"http://localhost:{port}"
    server.stop(None).wait()


def said(span: Span) -> dict[str, str]:
    return {attribute.key: attribute.value.string_value for attribute in span.attributes}


def test_a_span_for_every_call_and_every_wait(
    tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    found, endpoint = collector
    softhsm = make_softhsm(tmp_path / "token")
    settings = {"endpoint": endpoint, "ratio": 1.0}
    folder = make_vault(tmp_path / "vault", softhsm, traces=settings)
    account = QuickAccount(ACCOUNT)
    with folder.start() as vault:
        account.register(vault)
        sealed = account.recover(vault)
        with raw_client(vault, ACCOUNT) as raw:
            for _ in range(10):
                raw.call(Guess.of("wrong").call)
            with pytest.raises(KeyDestroyed):
                raw.call(Guess.of("wrong").call)
        assert vault.stop() == 0
    by_id = {span.span_id: span for span in found.spans}
    calls = [span for span in found.spans if not span.parent_span_id]
    names = [span.name for span in calls]
    assert names[:4] == [
        "StartRegistration",
        "FinishRegistration",
        "StartRecovery",
        "FinishRecovery",
    ]
    outcomes = [said(span)["outcome"] for span in calls]
    assert outcomes == ["OK"] * 14 + ["KEY_DESTROYED"]
    waits = [
        (span.name, said(span).get("job"))
        for span in found.spans
        if span.parent_span_id == calls[2].span_id
    ]
    assert waits == [("commit", None), ("token", "StartRecovery")]
    assert all(span.parent_span_id in by_id for span in found.spans if span.parent_span_id)
    sent = b"".join(request.SerializeToString() for request in found.requests)
    assert b"vault.test" in sent
    assert ACCOUNT.encode() not in sent
    assert sealed not in sent


def test_a_request_id_leads_from_the_caller_to_the_trace_and_the_log(
    tmp_path: Path, collector: tuple[Collector, str]
) -> None:
    found, endpoint = collector
    softhsm = make_softhsm(tmp_path / "token")
    settings = {"endpoint": endpoint, "ratio": 1.0}
    folder = make_vault(tmp_path / "vault", softhsm, traces=settings)
    account = QuickAccount(ACCOUNT)
    with folder.start() as vault:
        account.register(vault)
        (softhsm.folder / "tokens").rename(tmp_path / "gone")
        with raw_client(vault, ACCOUNT) as raw, pytest.raises(HsmUnavailable) as refused:
            raw.call(Guess.of("wrong").call)
        assert vault.stop() == 0
    cause = refused.value.__cause__
    assert isinstance(cause, grpc.Call)
    request_id = dict(cause.trailing_metadata())["request-id"]
    assert request_id in {said(span).get("request_id") for span in found.spans}
    lines = [json.loads(line) for line in vault.log().splitlines()]  # each of them is JSON
    its = [line for line in lines if line.get("request_id") == request_id]
    assert ("call failed", "StartRecovery") in {(line["event"], line["call"]) for line in its}


def test_a_collector_that_is_away_costs_spans_alone(tmp_path: Path) -> None:
    softhsm = make_softhsm(tmp_path / "token")
    settings = {"endpoint": "http://localhost:1", "ratio": 1.0}
    folder = make_vault(tmp_path / "vault", softhsm, traces=settings)
    account = QuickAccount(ACCOUNT)
    with folder.start() as vault:
        account.register(vault)
        assert account.recover(vault) == account.sealed
        began = time.monotonic()
        assert vault.stop() == 0
        assert time.monotonic() - began < 15
    lines = [json.loads(line) for line in vault.log().splitlines()]  # each of them is JSON
    said = [line for line in lines if line["event"] == "library"]
    assert any("opentelemetry" in line["name"] for line in said)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(OperatorError, match="pip install"):
        traces.configure("http://localhost:1", 1.0, "vault.test", "0")
