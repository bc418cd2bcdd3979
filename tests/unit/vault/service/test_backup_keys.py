"""The use cases over a real ledger and a real token: clocks, expiry, faults in between."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from ledgers import MemoryAnchor, make_store

from strongroom_protocol import labels
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse
from strongroom_vault.errors import (
    HsmUnavailable,
    KeyDestroyed,
    KeyNotFound,
    KeyReplaced,
    Malformed,
    NoKey,
    StateExpired,
    StoreUnavailable,
    Wait,
    WrongPassword,
)
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_session
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.records import policy, registration
from strongroom_vault.records.record import Destroyed
from strongroom_vault.service.answers import ActiveKey, RecoveryStarted, VaultParameters
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.service.resident_keys import UNFINISHED_PER_ACCOUNT, ResidentKeys
from strongroom_vault.store import sqlite
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from vault_process import SoftHsm

    from strongroom_vault.store.interface import Commit

QUICK = Argon2id(8, 1, 1)  # the service does not stretch; the client's cost is not the matter here
IDENTITIES = Identities(b"alice", b"strongroom/v1/vault.test")
SEALED = b"s" * 60
LIMIT = 3
START = 1_800_000_000_000


class FaultyStore(sqlite.SqliteStore):
    """The real store; its commits can be made to fail."""

    fails = False

    def commit(self, commit: Commit) -> None:
        if self.fails:
            raise StoreError("the disk is full")
        super().commit(commit)


class FaultyToken:
    """The real token workers; calls can be made to fail, or to wait for `may_answer`."""

    def __init__(self, pool: TokenPool) -> None:
        self._pool = pool
        self.fails = False
        self.failure: type[HsmUnavailable] = HsmUnavailable
        self.renewals = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.before_failing: Callable[[], Any] | None = None

    async def run(self, job: Any) -> Any:
        await self.may_answer.wait()
        if self.fails:
            if self.before_failing is not None:
                await self.before_failing()
            raise self.failure("the token is gone", 1.0)
        return await self._pool.run(job)

    def renew_soon(self) -> None:
        self.renewals += 1


@dataclass
class World:
    service: BackupKeyService
    store: FaultyStore
    token: FaultyToken
    anchor: MemoryAnchor
    now: int = START

    async def register(
        self, password: bytes = b"right", account: str = "alice", limit: int = LIMIT
    ) -> bytes:
        """A whole registration; returns the export key."""
        request, session = client.create_registration_request(password)
        started = await self.service.registration.start(account, request.encode())
        response = RegistrationResponse.decode(started.registration_response)
        record, export_key = client.finalize_registration_request(
            session, response, IDENTITIES, QUICK
        )
        await self.service.registration.finish(
            account, started.state, record.encode(), SEALED, limit
        )
        return export_key

    async def start(self, ke1: bytes) -> RecoveryStarted:
        return await self.service.recovery.start("alice", ke1)

    async def left(self) -> int:
        found = await self.service.keys.get("alice")
        assert isinstance(found, ActiveKey)
        return found.attempts_left


def guess(password: bytes = b"wrong") -> tuple[bytes, client.LoginSession]:
    ke1, session = client.generate_ke1(password)
    return ke1.encode(), session


def proof(session: client.LoginSession, started: RecoveryStarted) -> bytes:
    ke3, _ = client.generate_ke3(session, KE2.decode(started.ke2), IDENTITIES, QUICK)
    return ke3.encode()


@pytest.fixture(params=["wrapped", "token"])
async def world(
    tmp_path: Path, softhsm: SoftHsm, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    settings = softhsm.settings()
    with open_session(settings) as session:
        vault_keys.create_missing_keys(session)
    pool = TokenPool(settings, labels=labels.DERIVED_KEYS)
    ready = await pool.start()
    keys = Keys(dict(zip(labels.DERIVED_KEYS, ready.secrets, strict=True)))
    anchor = make_store(tmp_path / "vault.db", keys.ledger)
    store = FaultyStore(tmp_path / "vault.db", "vault.test")
    residents = ResidentKeys(pool)
    ledger = Ledger(store, anchor, keys.ledger, "vault.test", residents.destroy_dropped)
    await ledger.start()
    token = FaultyToken(pool)
    parameters = VaultParameters("vault.test", ready.identity_public_key, QUICK, 10, 1, 10)
    worlds: list[World] = []
    service = BackupKeyService(
        parameters,
        keys,
        ledger,
        token,
        residents=residents,
        makes_resident_keys=request.param == "token",
        clock=lambda: worlds[0].now if worlds else START,
    )
    worlds.append(World(service, store, token, anchor))
    yield worlds[0]
    await service.drain()
    await ledger.close()
    await residents.drain()
    await pool.close()
    store.close()


async def test_a_whole_life(world: World) -> None:
    export_key = await world.register()
    ke1, session = guess(b"right")
    started = await world.start(ke1)
    assert started.attempts_left == LIMIT - 1
    ke3, result = client.generate_ke3(session, KE2.decode(started.ke2), IDENTITIES, QUICK)
    assert result.export_key == export_key
    assert await world.service.recovery.finish("alice", started.state, ke3.encode()) == SEALED
    assert await world.left() == LIMIT


async def test_states_expire(world: World) -> None:
    request, session = client.create_registration_request(b"right")
    registration = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(registration.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    finish = (registration.state, record.encode(), SEALED, 0)
    world.now += labels.REGISTRATION_STATE_LIFETIME_MS + 1
    with pytest.raises(StateExpired):
        await world.service.registration.finish("alice", *finish)
    world.now -= 1
    await world.service.registration.finish("alice", *finish)

    ke1, login = guess(b"right")
    started = await world.start(ke1)
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    with pytest.raises(StateExpired):
        await world.service.recovery.finish("alice", started.state, proof(login, started))
    again = await world.start(ke1)  # free, and its time begins anew
    assert again.attempts_left == started.attempts_left
    assert await world.service.recovery.finish("alice", again.state, proof(login, again)) == SEALED


async def test_the_last_attempt_may_be_finished_in_its_time_and_is_destroyed_after_it(
    world: World,
) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    assert await world.left() == 0
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    assert isinstance(await world.service.keys.get("alice"), Destroyed)
    with pytest.raises(KeyDestroyed):
        await world.start(guess()[0])


async def test_the_sweep_destroys_without_a_touch(world: World) -> None:
    await world.register()
    for _ in range(LIMIT):
        await world.start(guess()[0])
    world.now += labels.RECOVERY_STATE_LIFETIME_MS + 1
    swept = [await world.service.keys.sweep_bucket(bucket) for bucket in range(2**16)]
    assert sum(swept) == 1


async def test_a_clock_that_jumps_back_gives_no_attempt(world: World) -> None:
    await world.register()
    await world.start(guess()[0])
    world.now -= 10**9
    assert (await world.start(guess()[0])).attempts_left == LIMIT - 2
    world.now += 10**12
    assert (await world.start(guess()[0])).attempts_left == 0
    with pytest.raises(KeyDestroyed):
        await world.start(guess()[0])


async def test_a_token_that_fails_gives_the_attempt_back(world: World) -> None:
    await world.register()
    world.token.fails = True
    for _ in range(5):
        with pytest.raises(HsmUnavailable):
            await world.start(guess()[0])
    assert await world.left() == LIMIT
    world.token.fails = False
    assert (await world.start(guess()[0])).attempts_left == LIMIT - 1


async def test_a_key_that_the_token_does_not_find_is_looked_for_by_new_sessions(
    world: World,
) -> None:
    await world.register()
    world.token.fails = True
    world.token.failure = KeyNotFound
    with pytest.raises(KeyNotFound):
        await world.start(guess()[0])
    assert world.token.renewals == 1
    assert await world.left() == LIMIT


async def test_a_key_that_was_replaced_meanwhile_is_not_looked_for(world: World) -> None:
    """Otherwise whoever has an account could keep all the workers starting."""
    await world.register()
    world.token.failure = KeyNotFound

    async def replace_the_key() -> None:
        world.token.fails = False
        await world.register()

    world.token.before_failing = replace_the_key
    world.token.fails = True
    with pytest.raises(KeyReplaced):
        await world.start(guess()[0])
    assert world.token.renewals == 0


async def test_token_and_store_fail_together(world: World) -> None:
    """The charge stays, and its repetition is free: nobody loses an attempt they could use."""
    await world.register()
    ke1, _ = guess()
    world.token.fails = True

    async def break_the_store() -> None:
        world.store.fails = True

    world.token.before_failing = break_the_store
    with pytest.raises(HsmUnavailable):
        await world.start(ke1)
    world.token.fails = world.store.fails = False
    assert await world.left() == LIMIT - 1
    assert (await world.start(ke1)).attempts_left == LIMIT - 1


async def test_an_anchor_that_fails_gives_the_attempt_back(world: World) -> None:
    await world.register()
    world.anchor.fails = True
    for _ in range(2):
        with pytest.raises(HsmUnavailable):
            await world.start(guess()[0])
    world.anchor.fails = False
    assert await world.left() == LIMIT - 1  # what could not be undone while the anchor was gone
    world.anchor.fails_once = True
    with pytest.raises(HsmUnavailable):
        await world.start(guess()[0])
    assert await world.left() == LIMIT - 1


async def test_a_store_that_fails_evaluates_nothing(world: World) -> None:
    await world.register()
    world.store.fails = True
    evaluated = world.token.may_answer
    evaluated.clear()  # an evaluation would hang
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(world.start(guess()[0]), 5)
    evaluated.set()
    world.store.fails = False
    assert await world.left() == LIMIT


async def test_a_caller_that_goes_away_is_charged_and_can_repeat(world: World) -> None:
    await world.register()
    ke1, _ = guess()
    world.token.may_answer.clear()
    leaving = asyncio.create_task(world.start(ke1))
    while await world.left() == LIMIT:
        await asyncio.sleep(0.01)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    draining = asyncio.create_task(world.service.drain())
    await asyncio.sleep(0.05)
    assert not draining.done()
    world.token.may_answer.set()
    await draining
    assert (await world.start(ke1)).attempts_left == LIMIT - 1


async def test_a_caller_that_goes_away_gets_the_attempt_back_all_the_same(world: World) -> None:
    await world.register()
    world.token.may_answer.clear()
    world.token.fails = True
    leaving = asyncio.create_task(world.start(guess()[0]))
    while await world.left() == LIMIT:
        await asyncio.sleep(0.01)
    leaving.cancel()
    world.token.may_answer.set()
    await world.service.drain()
    assert await world.left() == LIMIT


async def test_states_are_for_one_purpose_and_one_account(world: World) -> None:
    await world.register()
    request, _ = client.create_registration_request(b"right")
    registration = await world.service.registration.start("alice", request.encode())
    ke1, session = guess(b"right")
    recovery = await world.start(ke1)
    record = b"\x02" + client.generate_ke1(b"x")[0].encode()[1:33] + bytes(96)
    for account, state in (("bob", registration.state), ("alice", recovery.state), ("alice", b"")):
        with pytest.raises(Malformed) as refused:
            await world.service.registration.finish(account, state, record, SEALED, 0)
        assert refused.value.field == "registration_state"
    for account, state in (("bob", recovery.state), ("alice", registration.state)):
        with pytest.raises(Malformed) as refused:
            await world.service.recovery.finish(account, state, proof(session, recovery))
        assert refused.value.field == "recovery_state"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"registration_record": bytes(129)}, "registration_record"),
        ({"registration_record": b""}, "registration_record"),
        ({"sealed_backup_key": b"s" * 59}, "sealed_backup_key"),
        ({"attempt_limit": 11}, "attempt_limit"),
        ({"state": os.urandom(300)}, "registration_state"),
    ],
)
async def test_malformed_registrations(world: World, change: dict[str, Any], field: str) -> None:
    request, session = client.create_registration_request(b"right")
    started = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(started.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    fields: dict[str, Any] = {
        "state": started.state,
        "registration_record": record.encode(),
        "sealed_backup_key": SEALED,
        "attempt_limit": 0,
    }
    with pytest.raises(Malformed) as refused:
        await world.service.registration.finish("alice", **(fields | change))
    assert refused.value.field == field
    assert await world.service.keys.get("alice") is None


async def test_two_registrations_at_once_leave_one_key(world: World) -> None:
    request, session = client.create_registration_request(b"right")
    first = await world.service.registration.start("alice", request.encode())
    await world.register(b"other")
    response = RegistrationResponse.decode(first.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    with pytest.raises(KeyReplaced):
        await world.service.registration.finish("alice", first.state, record.encode(), SEALED, 0)


class Begun:
    """A registration of alice that may be finished."""

    @classmethod
    async def of(cls, world: World) -> Begun:
        request, session = client.create_registration_request(b"right")
        started = await world.service.registration.start("alice", request.encode())
        response = RegistrationResponse.decode(started.registration_response)
        record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
        begun = cls()
        begun.finish = ("alice", started.state, record.encode(), SEALED, 0)
        return begun

    finish: tuple[str, bytes, bytes, bytes, int]


async def test_the_newest_registrations_may_be_finished(world: World) -> None:
    begun = [await Begun.of(world) for _ in range(UNFINISHED_PER_ACCOUNT + 1)]
    if world.service.registration._makes_resident_keys:
        with pytest.raises(StateExpired):
            await world.service.registration.finish(*begun[0].finish)
        assert await world.service.keys.get("alice") is None
    registered = await world.service.registration.finish(*begun[1].finish)
    for _ in range(UNFINISHED_PER_ACCOUNT + 1):
        await Begun.of(world)
    assert await world.service.registration.finish(*begun[1].finish) == registered
    await world.start(guess()[0])


async def test_a_registration_is_finished_or_evicted_never_both(world: World) -> None:
    """Whatever the answer was, a key that is registered evaluates."""
    finished = 0
    for _ in range(8):
        first = await Begun.of(world)
        rest = (Begun.of(world) for _ in range(UNFINISHED_PER_ACCOUNT + 1))
        results = await asyncio.gather(
            *rest, world.service.registration.finish(*first.finish), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Exception)]
        assert all(isinstance(result, StateExpired) for result in refused)
        finished += not refused
        if await world.service.keys.get("alice") is not None:
            await world.start(guess(b"right")[0])
            await world.service.keys.delete("alice")
    assert finished


async def limit_of_alice(world: World) -> int:
    found = await world.service.keys.get("alice")
    assert isinstance(found, ActiveKey)
    return found.attempt_limit


async def test_a_limit_is_kept_unless_another_is_named(world: World) -> None:
    await world.register(limit=0)
    assert await limit_of_alice(world) == 10
    await world.register(limit=4)
    await world.register(b"another", limit=0)
    assert await limit_of_alice(world) == 4
    world.service.registration._limits = registration.Limits(default=8, lowest=5, highest=9)
    await world.register(limit=0)
    assert await limit_of_alice(world) == 5
    await world.service.keys.delete("alice")
    await world.register(limit=0)
    assert await limit_of_alice(world) == 8


async def test_a_registration_without_a_limit_may_be_repeated(world: World) -> None:
    finish = (await Begun.of(world)).finish
    registered = await world.service.registration.finish(*finish)
    world.service.registration._limits = registration.Limits(default=3, lowest=3, highest=3)
    assert await world.service.registration.finish(*finish) == registered
    with pytest.raises(KeyReplaced):
        await world.service.registration.finish(*finish[:-1], 3)


async def test_deleting(world: World) -> None:
    with pytest.raises(NoKey):
        await world.service.keys.delete("alice")
    await world.register()
    await world.service.keys.delete("alice")
    assert await world.service.keys.get("alice") is None


async def test_a_wrong_proof(world: World) -> None:
    await world.register()
    started = await world.start(guess()[0])
    with pytest.raises(WrongPassword):
        await world.service.recovery.finish("alice", started.state, bytes(32))
    with pytest.raises(Malformed):
        await world.service.recovery.finish("alice", started.state, bytes(31))


async def test_back_off(world: World) -> None:
    rules = policy.Rules((30,), serving_since=START)
    context = replace(world.service._context, rules=rules)
    world.service.recovery._context = world.service.keys._context = context
    request, session = client.create_registration_request(b"right")
    started = await world.service.registration.start("alice", request.encode())
    response = RegistrationResponse.decode(started.registration_response)
    record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
    await world.service.registration.finish("alice", started.state, record.encode(), SEALED, 10)
    for _ in range(3):
        await world.start(guess()[0])
    with pytest.raises(Wait) as waiting:
        await world.start(guess()[0])
    assert waiting.value.retry_after == 30
    found = await world.service.keys.get("alice")
    assert isinstance(found, ActiveKey)
    assert found.wait_until == START + 30_000
    world.now += 30_000
    assert (await world.start(guess()[0])).attempts_left == 6


def test_the_clock_is_in_milliseconds() -> None:
    assert 1_700_000_000_000 < now_ms() < 10_000_000_000_000
