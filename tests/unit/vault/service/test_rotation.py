"""A rotation of the wrap key beside registrations, in the worst order that there is."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from strongroom_protocol import labels
from strongroom_protocol.answers import VaultParameters
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_vault.errors import HsmUnavailable, RollbackDetected, StateExpired
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import ListWrapKeys
from strongroom_vault.hsm.token_anchor import TokenAnchor
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.records.record import Active
from strongroom_vault.service import rotation as rotations
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.service.progress import Stage
from strongroom_vault.service.resident_keys import ResidentKeys
from strongroom_vault.service.rotation import Rotation
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vault_process import VaultFolder

    from strongroom_vault.store.interface import Commit

IDENTITIES = Identities(b"alice", b"strongroom/v1/vault.test")
WAIT_S = 20


class HaltingStore(SqliteStore):
    """The real store; halts in the commit of an event until it may go on."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.reached = {b"wrap key made": threading.Event(), b"registered": threading.Event()}
        self.may_go_on = {event: threading.Event() for event in self.reached}

    def commit(self, commit: Commit) -> None:
        for event, reached in self.reached.items():
            if any(event in body for body in commit.events):
                reached.set()
                self.may_go_on[event].wait(WAIT_S)
        super().commit(commit)


@asynccontextmanager
async def open_service(
    folder: VaultFolder,
) -> AsyncIterator[tuple[BackupKeyService, HaltingStore, Ledger, TokenPool]]:
    settings = folder.settings()
    pool = TokenPool(settings.token.for_workers(), labels=labels.DERIVED_KEYS)
    ready = await pool.start()
    keys = Keys(dict(zip(labels.DERIVED_KEYS, ready.secrets, strict=True)))
    store = HaltingStore(settings.store.path, settings.vault.id)
    ledger = Ledger(store, TokenAnchor(pool), keys.ledger, settings.vault.id)
    await ledger.start()
    parameters = VaultParameters(
        settings.vault.id, ready.identity_public_key, RFC9106_SECOND, 10, 1, 10
    )
    yield (
        BackupKeyService(parameters, keys, ledger, pool, residents=ResidentKeys(pool)),
        store,
        ledger,
        pool,
    )
    await ledger.close()
    await pool.close()
    store.close()


async def begin_registration(
    service: BackupKeyService, account: str = "alice"
) -> tuple[bytes, bytes, bytes]:
    """What finishes a registration that the vault has started: state, record, sealed key."""
    request, session = client.create_registration_request(b"right")
    started = await service.registration.start(account, request.encode())
    record, _ = client.finalize_registration_request(
        session,
        RegistrationResponse.decode(started.registration_response),
        IDENTITIES,
        lambda password: password,
    )
    return started.state, record.encode(), os.urandom(60)


async def reached(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, WAIT_S)


async def test_a_registration_that_is_committed_while_a_rotation_begins_is_not_lost(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an empty vault, so that the rotation finds nothing to rewrap and goes straight on."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(vault_folder.softhsm.configuration))
    event_was_committed: list[bool] = []
    async with open_service(vault_folder) as (service, store, ledger, pool):

        def refuse_slowly(oldest: int) -> None:
            event_was_committed.append(store.reached[b"wrap key made"].is_set())
            time.sleep(0.1)  # the loop stands still, the writer's thread goes on
            service.registration.refuse_wrap_keys_before(oldest)

        finish = await begin_registration(service)
        rotation = Rotation(pool, ledger, refuse_slowly)
        rotation.begin()
        await reached(store.reached[b"wrap key made"])
        registering = asyncio.create_task(service.registration.finish("alice", *finish, 10))
        await asyncio.sleep(0.05)
        store.may_go_on[b"wrap key made"].set()
        async with asyncio.timeout(WAIT_S):
            while rotation.progress.stage not in {Stage.DESTROYING, Stage.DONE}:
                await asyncio.sleep(0.01)
        store.may_go_on[b"registered"].set()
        done = (await asyncio.gather(registering, return_exceptions=True))[0]
        async with asyncio.timeout(WAIT_S):
            while rotation.is_under_way:
                await asyncio.sleep(0.01)
        assert rotation.progress.stage is Stage.DONE
        assert event_was_committed == [False]
        _, record = await service.keys.show("alice")
        wrap_keys = (await pool.run(ListWrapKeys())).numbers
        assert isinstance(done, StateExpired) or (
            isinstance(record.state, Active) and record.state.oprf_key.wrap_key in wrap_keys
        )
        store.may_go_on[b"wrap key made"].set()
        await service.registration.finish("alice", *await begin_registration(service), 10)


async def done(rotation: Rotation) -> None:
    async with asyncio.timeout(WAIT_S):
        while rotation.is_under_way:
            await asyncio.sleep(0.01)


async def test_every_record_is_rewrapped_and_the_old_key_destroyed(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(vault_folder.softhsm.configuration))
    async with open_service(vault_folder) as (service, store, ledger, pool):
        for event in store.may_go_on.values():
            event.set()
        for account in ("alice", "bob"):
            finish = await begin_registration(service, account)
            await service.registration.finish(account, *finish, 10)
        begun = await begin_registration(service, "late")
        rotation = Rotation(pool, ledger, service.registration.refuse_wrap_keys_before)
        rotation.begin()
        first = rotation.progress
        rotation.begin()  # nothing: one is under way
        assert rotation.progress is first
        await done(rotation)
        assert (first.stage, first.wrap_key, first.rewrapped) == (Stage.DONE, 1, 2)
        assert (await pool.run(ListWrapKeys())).numbers == (1,)
        for account in ("alice", "bob"):
            _, record = await service.keys.show(account)
            assert isinstance(record.state, Active)
            assert record.state.oprf_key.wrap_key == 1
        with pytest.raises(StateExpired):
            await service.registration.finish("late", *begun, 10)
        rotation.begin()
        await done(rotation)
        assert (rotation.progress.wrap_key, rotation.progress.rewrapped) == (2, 2)
        assert rotation.rewrapped == 4


async def test_a_step_that_the_token_refuses_is_retried(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(vault_folder.softhsm.configuration))
    monkeypatch.setattr(rotations, "PAUSE_S", 0.0)
    async with open_service(vault_folder) as (service, store, ledger, pool):
        store.may_go_on[b"wrap key made"].set()
        problems: list[str] = []

        async def renew_at_the_third_try() -> None:
            problems.append(rotation.progress.problem)
            if len(problems) < 3:
                raise HsmUnavailable("the token is busy", 1.0)

        monkeypatch.setattr(pool, "renew", renew_at_the_third_try)
        rotation = Rotation(pool, ledger, service.registration.refuse_wrap_keys_before)
        rotation.begin()
        await done(rotation)
        assert problems == ["", "the token is busy", "the token is busy", ""]
        assert (rotation.progress.stage, rotation.progress.problem) == (Stage.DONE, "")


async def test_a_rotation_that_cannot_go_on_says_why_and_one_that_is_stopped_ends(
    vault_folder: VaultFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(vault_folder.softhsm.configuration))
    async with open_service(vault_folder) as (service, store, ledger, pool):
        rotation = Rotation(pool, ledger, service.registration.refuse_wrap_keys_before)
        await rotation.stop()  # none has begun
        rotation.begin()
        await reached(store.reached[b"wrap key made"])
        await rotation.stop()
        assert not rotation.is_under_way
        assert rotation.progress.stage.value == "preparing"
        store.may_go_on[b"wrap key made"].set()

        async def roll_back() -> None:
            raise RollbackDetected("an older database")

        monkeypatch.setattr(pool, "renew", roll_back)
        rotation.begin()
        await done(rotation)
        assert rotation.progress.stage.value == "failed"
        assert rotation.progress.problem == "an older database"
        assert (await pool.run(ListWrapKeys())).numbers == (0, 1)
