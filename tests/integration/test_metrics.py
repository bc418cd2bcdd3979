"""Metrics, and what deploy/ builds on them."""

from __future__ import annotations

import json
import re
import socket
import urllib.request
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml
from quick_account import QuickAccount
from raw_client import Guess, raw_client
from vault_process import REPOSITORY, make_softhsm, make_vault

from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_protocol.v1 import vault_pb2_grpc
from strongroom_vault.api.status import CODES
from strongroom_vault.records.events import EventKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vault_process import VaultProcess

DEPLOY = REPOSITORY / "deploy"
NAME = re.compile(r"\bstrongroom_[a-z_]+")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultProcess]:
    folder = tmp_path_factory.mktemp("metrics")
    softhsm = make_softhsm(folder / "token")
    address = f"127.0.0.1:{free_port()}"
    vault = make_vault(folder / "vault", softhsm, metrics={"address": address})
    with vault.start() as running:
        account = QuickAccount("alice-with-a-name")
        account.register(running)
        account.recover(running)
        with raw_client(running, "alice-with-a-name") as raw:
            raw.call(Guess.of("wrong").call)
        yield running
        assert running.stop() == 0


def scrape(vault: VaultProcess) -> dict[str, float]:
    address = vault.folder.settings().metrics.address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_what_happened_is_counted(measured: VaultProcess) -> None:
    found = scrape(measured)
    assert found['strongroom_requests_total{call="StartRecovery",outcome="OK"}'] == 2
    assert found['strongroom_events_total{event="registered"}'] == 1
    assert found['strongroom_events_total{event="attempt"}'] == 2
    assert found['strongroom_events_total{event="released"}'] == 1
    assert found['strongroom_token_jobs_total{kind="StartRecovery",outcome="done"}'] == 2
    assert found["strongroom_commits_total"] == found["strongroom_ledger_epoch"] == 4
    assert found["strongroom_serving"] == 1
    assert found["strongroom_rollback_detected"] == 0
    assert found["strongroom_token_workers_ready"] == 2
    assert found["strongroom_certificate_ends_seconds"] > found["strongroom_clock_seconds"]


def test_no_account_is_named(measured: VaultProcess) -> None:
    address = measured.folder.settings().metrics.address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        assert b"alice" not in answer.read()
    assert "alice" not in measured.log()


def families(vault: VaultProcess) -> set[str]:
    return {name.split("{")[0] for name in scrape(vault)}


@pytest.mark.parametrize("name", ["prometheus-alerts.yml", "grafana-dashboard.json"])
def test_deploy_names_metrics_that_exist(measured: VaultProcess, name: str) -> None:
    text = (DEPLOY / name).read_text()
    parsed = yaml.safe_load(text) if name.endswith("yml") else json.loads(text)
    expressions = list(_expressions(parsed))
    assert len(expressions) > 10
    named = {metric for text in expressions for metric in NAME.findall(text)}
    assert named - families(measured) == set()


def _expressions(parsed: object) -> Iterator[str]:
    """Every PromQL expression, wherever it stands."""
    if isinstance(parsed, dict):
        for key, value in parsed.items():
            if key == "expr":
                yield value
            else:
                yield from _expressions(value)
    elif isinstance(parsed, list):
        for value in parsed:
            yield from _expressions(value)


def test_every_metric_is_documented(measured: VaultProcess) -> None:
    documented = set(NAME.findall((REPOSITORY / "docs" / "operations.md").read_text()))
    exported = {re.sub(r"_(bucket|sum|count|created)$", "", name) for name in families(measured)}
    assert exported - documented == set()


def test_every_alert_has_its_page() -> None:
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in (REPOSITORY / "docs" / "operations.md").read_text().splitlines()
        if line.startswith("#")
    }
    rules = yaml.safe_load((DEPLOY / "prometheus-alerts.yml").read_text())["groups"][0]["rules"]
    assert len(rules) > 10
    for rule in rules:
        page, _, section = rule["annotations"]["runbook"].partition("#")
        assert (REPOSITORY / page).is_file()
        assert section in headings, rule["alert"]


def test_labels_in_alerts_are_given_by_the_vault() -> None:
    """Otherwise an alert would never fire."""
    text = (DEPLOY / "prometheus-alerts.yml").read_text()
    reasons = {kind.reason for kind in CODES} | {"INTERNAL", "OK"}
    assert set(re.findall(r'outcome="([A-Z_]+)"', text)) <= reasons
    events = {what.value for what in EventKind}
    assert set(re.findall(r'event="([a-z ]+)"', text)) <= events


def request_id(told: Any) -> str:
    name: str = dict(told.trailing_metadata())["request-id"]
    return name


def test_the_request_id_is_told_and_logged(measured: VaultProcess) -> None:
    roots = grpc.ssl_channel_credentials(measured.folder.certificate.read_bytes())
    with grpc.secure_channel(measured.address, roots) as channel:
        stub = vault_pb2_grpc.BackupKeyVaultStub(channel)
        request = pb.GetVaultRequest(suite=pb.SUITE_OPAQUE_3DH_P256_SHA256)
        _, call = stub.GetVault.with_call(request, timeout=10)
        with pytest.raises(grpc.RpcError) as refused:
            stub.GetKey(pb.GetKeyRequest(), timeout=10)
    ids = [request_id(told) for told in (call, refused.value)]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in ids)
