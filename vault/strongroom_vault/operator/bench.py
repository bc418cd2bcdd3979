"""What `strongroom-vault bench` does: measures how fast token and disk are for a vault.

It needs the vault's keys, and leaves nothing behind: the OPRF key that it makes is never stored,
and the anchor and the store that it writes are its own.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from strongroom_protocol import labels
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.messages import RegistrationResponse
from strongroom_vault.errors import HsmUnavailable, OperatorError
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import CreateRegistrationResponse, GenerateKE2
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.hsm.token.vault_keys import Labels
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.operator.init import first_commit
from strongroom_vault.store import sqlite, sqlite_file
from strongroom_vault.store.interface import Commit, Row, StoreError, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
    from strongroom_vault.settings.config import Settings

LABELS: Final = Labels("strongroom.bench")
ROW_SIZE: Final = 1024
"""A sealed record of an account whose names are of the usual length."""
_CLIENT: Final = b"bench"
_SERVER: Final = labels.SERVER_IDENTITY_PREFIX + b"bench"
_HASH_SIZE: Final = 32
_AT_ONCE: Final = 2
"""Jobs under way for each worker, so that it always has a next one."""


@dataclass(frozen=True, slots=True)
class Rate:
    """One result.

    Attributes:
        what: what was measured, in a line.
        per_s: how many a second.
        p50_ms: what half of them took at most.
        p99_ms: what 99 of 100 took at most.
    """

    what: str
    per_s: float
    p50_ms: float
    p99_ms: float


def measure(settings: Settings, seconds: float) -> Iterator[Rate]:
    """Measure the token with one worker and with all, its anchor, and the disk; `seconds` each.

    Raises:
        OperatorError: the token or the store's folder cannot be used.
    """
    for workers in sorted({1, settings.token.workers}):
        try:
            times, total_s = asyncio.run(_recoveries(settings, workers, seconds))
        except HsmUnavailable as error:
            raise OperatorError(f"the token does not answer: {error}") from error
        yield _rate(f"token: recoveries, {workers} worker{'s'[: workers - 1]}", times, total_s)
    yield _anchor(settings, seconds)
    yield _commits(settings, seconds)


async def _recoveries(
    settings: Settings, workers: int, seconds: float
) -> tuple[list[float], float]:
    """Answer attempts for `seconds`, with a key that no account has; return each time, and all."""
    pool = TokenPool(settings.token.for_workers(), workers=workers, labels=labels.DERIVED_KEYS)
    try:
        await pool.start()
        job = await _attempt(pool)
        times: list[float] = []
        began = time.perf_counter()

        async def answer() -> None:
            while time.perf_counter() - began < seconds:
                sent = time.perf_counter()
                await pool.run(job)
                times.append(time.perf_counter() - sent)

        await asyncio.gather(*(answer() for _ in range(_AT_ONCE * workers)))
        return times, time.perf_counter() - began
    finally:
        await pool.close()


async def _attempt(pool: TokenPool) -> GenerateKE2:
    """Return a StartRecovery of a registration that goes into no store."""
    request, session = client.create_registration_request(b"bench")
    started = await pool.run(CreateRegistrationResponse(request.encode()))
    record, _ = client.finalize_registration_request(
        session,
        RegistrationResponse.decode(started.registration_response),
        Identities(_CLIENT, _SERVER),
        ksf=lambda password: password,
    )
    ke1, _ = client.generate_ke1(b"bench")
    return GenerateKE2.of(ke1, started.oprf_key, record.encode(), _CLIENT, _SERVER)


def _anchor(settings: Settings, seconds: float) -> Rate:
    """Move an anchor that only the bench uses."""
    try:
        with (
            open_token(settings.token.for_workers(), LABELS) as token,
            _no_slots(token.anchor),
        ):
            now: Anchored | None = None

            def move() -> None:
                nonlocal now
                new = Anchored(now.epoch + 1 if now else 0, os.urandom(_HASH_SIZE))
                now = token.anchor.advance(now, new)

            return _rate("token: anchor moved", *_repeat(move, seconds))
    except TokenError as error:
        raise OperatorError(f"the token cannot keep an anchor: {error}") from error


@contextmanager
def _no_slots(anchor: AnchorSlots) -> Iterator[None]:
    """Remove the slots that a killed bench left, and afterwards those of this one."""
    anchor.remove()
    try:
        yield
    finally:
        anchor.remove()


def _commits(settings: Settings, seconds: float) -> Rate:
    """Commit to a new store on the same disk as the vault's, one record each time."""
    folder = settings.store.path.parent
    try:
        with TemporaryDirectory(prefix="bench-", dir=folder) as scratch:
            path = Path(scratch) / "store"
            first, _ = first_commit(settings.vault.id, os.urandom(_HASH_SIZE))
            sqlite_file.create(path, settings.vault.id, first)
            with closing(sqlite.SqliteStore(path, settings.vault.id)) as store:
                return _rate("disk: commits", *_repeat(lambda: _commit(store), seconds))
    except (OSError, StoreError) as error:
        raise OperatorError(f"cannot commit in {folder}: {error}") from error


def _commit(store: sqlite.SqliteStore) -> None:
    row = Row(os.urandom(labels.RECORD_ID_SIZE), os.urandom(ROW_SIZE))
    hashes = {bucket_of(row.id): os.urandom(_HASH_SIZE)}
    store.commit(Commit([row], hashes, [b'{"event":"bench"}'], os.urandom(ROW_SIZE // 4)))


def _repeat(step: Callable[[], None], seconds: float) -> tuple[list[float], float]:
    """Take a step again and again for `seconds`; return how long each took, and all."""
    times: list[float] = []
    began = last = time.perf_counter()
    while last - began < seconds or len(times) <= 1:
        step()
        times.append((now := time.perf_counter()) - last)
        last = now
    return times, last - began


def _rate(what: str, times: list[float], total_s: float) -> Rate:
    percentiles = quantiles(times, n=100)
    return Rate(what, len(times) / total_s, percentiles[49] * 1000, percentiles[98] * 1000)
