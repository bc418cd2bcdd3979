"""Metrics of an idle vault's own objects, and who may scrape them at once."""

from __future__ import annotations

import asyncio
import socket
import urllib.request
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, make_store
from prometheus_client import CollectorRegistry, generate_latest

from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records.events import EventKind
from strongroom_vault.server import metrics
from strongroom_vault.service.rotation import Rotation
from strongroom_vault.settings.token_settings import TokenSettings
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def values(registry: CollectorRegistry) -> dict[str, float]:
    lines = generate_latest(registry).decode().splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def test_calls_are_counted_from_zero() -> None:
    registry = CollectorRegistry()
    requests = metrics.Requests(registry)
    name = 'strongroom_requests_total{call="StartRecovery",outcome="%s"}'
    assert values(registry)[name % "OK"] == values(registry)[name % "INTERNAL"] == 0
    requests.observe("StartRecovery", "WRONG_PASSWORD", 0.02)
    found = values(registry)
    assert found[name % "WRONG_PASSWORD"] == 1
    assert found['strongroom_request_seconds_sum{call="StartRecovery"}'] == 0.02
    bucket = 'strongroom_request_seconds_bucket{call="StartRecovery",le="%s"}'
    assert (found[bucket % "0.01"], found[bucket % "0.025"]) == (0, 1)


async def test_the_vaults_own_numbers(tmp_path: Path) -> None:
    path = tmp_path / "vault.db"
    anchor = make_store(path)
    pool = TokenPool(TokenSettings("/m.so", "l", "/pin"), workers=3, labels=())
    with closing(SqliteStore(path, VAULT_ID)) as store:
        ledger = Ledger(store, anchor, KEYS, VAULT_ID)
        await ledger.start()
        rotation = Rotation(pool, ledger, lambda _: None)
        registry = CollectorRegistry()
        collected = metrics.Collected(pool, ledger, rotation, lambda: False, lambda: 123.0)
        registry.register(collected)
        pool.jobs["StartRecovery", "done"] += 2
        pool.job_s["StartRecovery"] += 0.5
        found = values(registry)
        await ledger.close()
    assert found["strongroom_serving"] == found["strongroom_rollback_detected"] == 0
    assert (found["strongroom_token_workers"], found["strongroom_token_workers_ready"]) == (3, 0)
    assert found["strongroom_certificate_ends_seconds"] == 123
    assert found["strongroom_rotation_under_way"] == 0
    assert found['strongroom_token_jobs_total{kind="StartRecovery",outcome="done"}'] == 2
    assert found['strongroom_token_job_seconds_total{kind="StartRecovery"}'] == 0.5
    events = {name for name in found if name.startswith("strongroom_events_total")}
    assert len(events) == len(EventKind)


@pytest.fixture
def served() -> Iterator[int]:
    """The port of an empty registry."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    stop = metrics.serve(CollectorRegistry(), f"127.0.0.1:{port}")
    yield port
    stop()


def scrape(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        status: int = answer.status
        return status


async def test_a_few_scrape_at_once_and_give_their_places_back(served: int) -> None:
    with ExitStack() as idle:
        for _ in range(metrics.MAX_SCRAPES):
            idle.enter_context(socket.create_connection(("127.0.0.1", served)))
        with socket.create_connection(("127.0.0.1", served), timeout=30) as one_more:
            assert await asyncio.to_thread(one_more.recv, 1) == b""
    async with asyncio.timeout(30):
        while True:  # the idle ones are gone once their threads have noticed
            try:
                assert await asyncio.to_thread(scrape, served) == 200
            except OSError:
                continue
            break
