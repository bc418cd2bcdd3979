"""Token pools over real workers and SoftHSM, and what their tests ask of them."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom_protocol.opaque import client
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import CreateRegistrationResponse, NewRegistration
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vault_process import SoftHsm

REQUEST = client.create_registration_request(b"password")[0].encode()
FIRST, SECOND, THIRD = (Anchored(epoch, bytes(32)) for epoch in (1, 2, 3))
BOOT = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


@asynccontextmanager
async def open_pool(softhsm: SoftHsm, **options: Any) -> AsyncIterator[TokenPool]:
    settings = softhsm.settings()
    with open_token(settings) as token:
        vault_keys.create_missing_keys(token.session)
        token.anchor.replace(FIRST)
    pool = TokenPool(settings, **options)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: TokenPool) -> NewRegistration:
    return await pool.run(CreateRegistrationResponse(REQUEST))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def started_at(pid: int) -> float:
    """When a process was started, as time.time() says it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return BOOT + int(fields[19]) / os.sysconf("SC_CLK_TCK")


async def until_ready(pool: TokenPool, count: int) -> None:
    async with asyncio.timeout(30):
        while pool.ready != count:
            await asyncio.sleep(0.02)


def with_pin_of_its_own(softhsm: SoftHsm, folder: Path) -> tuple[TokenSettings, Path]:
    """Settings of a token with a vault's keys, whose PIN file a test may spoil."""
    pin = folder / "pin"
    pin.write_text(softhsm.pin_file.read_text())
    pin.chmod(0o600)
    with open_token(softhsm.settings()) as token:
        vault_keys.create_missing_keys(token.session)
    return TokenSettings(softhsm.module, softhsm.label, str(pin)), pin


async def until_settled(pool: TokenPool) -> None:
    """Wait until no worker starts or ends any more."""
    async with asyncio.timeout(30):
        await pool._supervisor._tasks.drain()
