"""The use cases over a real ledger and a real token, whose store and token can be made to fail."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ledgers import MemoryAnchor, make_store

from strongroom_protocol import labels
from strongroom_protocol.answers import RecoveryStarted, VaultParameters
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse
from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_session
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.service.answers import ActiveKey
from strongroom_vault.service.backup_keys import BackupKeyService
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.service.resident_keys import ResidentKeys
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


class Begun:
    """A registration of alice that may be finished."""

    @classmethod
    async def of(cls, service: BackupKeyService) -> Begun:
        request, session = client.create_registration_request(b"right")
        started = await service.registration.start("alice", request.encode())
        response = RegistrationResponse.decode(started.registration_response)
        record, _ = client.finalize_registration_request(session, response, IDENTITIES, QUICK)
        begun = cls()
        begun.finish = ("alice", started.state, record.encode(), SEALED, 0)
        return begun

    finish: tuple[str, bytes, bytes, bytes, int]


@asynccontextmanager
async def open_world(
    folder: Path, softhsm: SoftHsm, *, makes_resident_keys: bool
) -> AsyncIterator[World]:
    """A service with an empty store in the folder."""
    settings = softhsm.settings()
    with open_session(settings) as session:
        vault_keys.create_missing_keys(session)
    pool = TokenPool(settings, labels=labels.DERIVED_KEYS)
    ready = await pool.start()
    keys = Keys(dict(zip(labels.DERIVED_KEYS, ready.secrets, strict=True)))
    anchor = make_store(folder / "vault.db", keys.ledger)
    store = FaultyStore(folder / "vault.db", "vault.test")
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
        makes_resident_keys=makes_resident_keys,
        clock=lambda: worlds[0].now if worlds else START,
    )
    worlds.append(World(service, store, token, anchor))
    yield worlds[0]
    await service.drain()
    await ledger.close()
    await residents.drain()
    await pool.close()
    store.close()
