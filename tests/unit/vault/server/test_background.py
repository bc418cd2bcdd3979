"""Health, sweep and reconcile: what they look at, and that nothing ends them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog
from ledgers import KEYS, VAULT_ID, make_store

from strongroom_vault.api.health import Health
from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.hsm.jobs import AnchorIs
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.platform.tasks import cancel
from strongroom_vault.server import background
from strongroom_vault.store.interface import StoreError
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine
    from pathlib import Path

    from strongroom_vault.ledger.head import Anchored


class Token:
    """A pool that answers, refuses, or has lost its anchor."""

    def __init__(self, value: Anchored | None) -> None:
        self.value = value
        self.fails = False
        self.healthy = True
        self.asked = 0

    async def run(self, _job: object) -> AnchorIs:
        self.asked += 1
        if self.fails:
            raise HsmUnavailable("the token is gone", 1.0)
        return AnchorIs(self.value)


class Vault:
    """What health looks at: a real ledger, a token, whether the vault drains."""

    def __init__(self, ledger: Ledger, store: SqliteStore, token: Token) -> None:
        self.ledger = ledger
        self.store = store
        self.token = token
        self.is_draining = False
        self.health = Health(("",))
        self.watch = background.HealthWatch(
            cast("Any", token), ledger, self.health, lambda: self.is_draining
        )


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    path = tmp_path / "vault.db"
    anchor = make_store(path)
    with closing(SqliteStore(path, VAULT_ID)) as store:
        ledger = Ledger(store, anchor, KEYS, VAULT_ID)
        await ledger.start()
        yield Vault(ledger, store, Token(anchor.value))
        await ledger.close()


async def test_a_change_of_health_is_told_once(vault: Vault) -> None:
    with structlog.testing.capture_logs() as lines:
        await vault.watch.look()
        assert vault.watch.serving
        vault.token.fails = True
        vault.watch._token_asked_at -= background.TOKEN_PERIOD_S
        await vault.watch.look()
        await vault.watch.look()
        assert not vault.watch.serving
        vault.token.fails = False
        await vault.watch.look()
    told = [line["serving"] for line in lines if line["event"] == "health"]
    assert told == [True, False, True]
    problems = [line["problem"] for line in lines if line["event"] == "the token does not answer"]
    assert problems == ["the token is gone"] * 2


async def test_the_token_is_asked_less_often_unless_something_is_wrong(vault: Vault) -> None:
    for _ in range(3):
        await vault.watch.look()
    assert vault.token.asked == 1
    vault.watch._token_asked_at -= background.TOKEN_PERIOD_S
    vault.token.fails = True
    for _ in range(3):
        await vault.watch.look()
    assert vault.token.asked == 4


@pytest.mark.parametrize("problem", ["anchor", "store", "worker", "drain"])
async def test_what_makes_it_not_serve(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    if problem == "anchor":
        vault.token.value = None
    elif problem == "store":

        def full(*, writes: bool = False) -> None:
            raise StoreError(f"the disk is full ({writes=})")

        monkeypatch.setattr(vault.store, "check", full)
    elif problem == "worker":
        vault.token.healthy = False
    else:
        vault.is_draining = True
    await vault.watch.look()
    assert not vault.watch.serving


async def test_a_vault_that_drains_serves_nobody_from_that_moment(vault: Vault) -> None:
    await vault.watch.look()
    vault.is_draining = True
    assert (vault.watch.serving, vault.watch.was_serving) == (False, True)


async def test_health_is_looked_at_again_and_again(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "HEALTH_PERIOD_S", 0)
    await vault.watch.look()
    vault.token.healthy = False
    async with running(vault.watch.run()), asyncio.timeout(30):
        while vault.watch.was_serving:
            await asyncio.sleep(0)


@asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        await cancel(task)


class Swept:
    """Remembers which buckets were swept; refuses some."""

    def __init__(self) -> None:
        self.buckets: list[int] = []
        self.enough = asyncio.Event()

    async def sweep_bucket(self, bucket: int) -> int:
        self.buckets.append(bucket)
        if len(self.buckets) == 9:
            self.enough.set()
        if bucket == 1:
            raise StoreError("the disk is full")
        return int(bucket == 2)


async def test_all_buckets_are_swept_again_and_again_whatever_is_refused(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "BUCKET_BITS", 2)
    swept = Swept()
    with structlog.testing.capture_logs() as lines:
        sweep = background.sweep(cast("Any", swept), vault.ledger, 0, lambda: False)
        async with running(sweep), asyncio.timeout(30):
            await swept.enough.wait()
    assert swept.buckets[:9] == [0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert [line["event"] for line in lines[:2]] == ["sweep failed", "spent keys destroyed"]
    assert lines[1]["count"] == 1


async def test_nothing_is_swept_while_the_vault_drains(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "BUCKET_BITS", 2)
    swept, looks = Swept(), list[int]()
    drained = asyncio.Event()

    def is_draining() -> bool:
        looks.append(len(looks))
        if len(looks) == 5:
            drained.set()
        return True

    sweep = background.sweep(cast("Any", swept), vault.ledger, 0, is_draining)
    async with running(sweep), asyncio.timeout(30):
        await drained.wait()
    assert swept.buckets == []


class Residents:
    """Remembers how often it was reconciled; refuses the first time."""

    def __init__(self) -> None:
        self.looks = 0
        self.enough = asyncio.Event()

    async def reconcile(self, _ledger: Ledger) -> None:
        self.looks += 1
        if self.looks == 1:
            raise HsmUnavailable("the token is gone", 1.0)
        self.enough.set()


async def test_orphans_are_looked_for_at_once_and_again_after_a_refusal(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "RECONCILE_PERIOD_S", 0)
    residents = Residents()
    with structlog.testing.capture_logs() as lines:
        reconcile = background.reconcile(cast("Any", residents), vault.ledger, lambda: False)
        async with running(reconcile), asyncio.timeout(30):
            await residents.enough.wait()
    assert lines[0]["event"] == "look at resident keys failed"


async def test_a_crash_leaves_orphans_that_do_not_wait_for_a_period(vault: Vault) -> None:
    residents = Residents()
    residents.looks = 1
    reconcile = background.reconcile(cast("Any", residents), vault.ledger, lambda: False)
    async with running(reconcile), asyncio.timeout(30):
        await residents.enough.wait()
