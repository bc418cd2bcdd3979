"""The anchor over real workers: which answers are believed, and which stop the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pools import FIRST, SECOND, THIRD, open_pool

from strongroom_vault.hsm.jobs import AnchorIs
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.hsm.token_anchor import TokenAnchor
from strongroom_vault.ledger.anchor import AnchorMoved

if TYPE_CHECKING:
    from vault_process import SoftHsm

    from strongroom_vault.ledger.head import Anchored


async def test_an_older_value_that_new_sessions_see_too_was_put_there(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        await TokenAnchor(pool).advance(FIRST, SECOND)
        with open_token(softhsm.settings()) as token:
            token.anchor.replace(FIRST)
        before = set(pool.pids)
        with pytest.raises(AnchorMoved):
            await TokenAnchor(pool).advance(SECOND, THIRD)
        assert not before & set(pool.pids)


async def test_a_token_that_has_lost_both_slots_stops_the_vault(softhsm: SoftHsm) -> None:
    """It must not go on without an anchor, nor wear out worker after worker."""
    async with open_pool(softhsm, workers=2) as pool:
        await TokenAnchor(pool).advance(FIRST, SECOND)
        with open_token(softhsm.settings()) as token:
            token.anchor.remove()
        before = set(pool.pids)
        with pytest.raises(AnchorMoved, match="lost its anchor"):
            await TokenAnchor(pool).advance(SECOND, THIRD)
        assert not before & set(pool.pids)
        assert (pool.ready, pool.replaced) == (2, 0)
        assert await TokenAnchor(pool).read() is None  # nothing was put in its place


@pytest.mark.parametrize("seen", [FIRST, None], ids=["older", "none"])
async def test_what_one_session_alone_sees_is_not_believed(
    softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch, seen: Anchored | None
) -> None:
    async with open_pool(softhsm, workers=2) as pool:
        await TokenAnchor(pool).advance(FIRST, SECOND)
        stale = set(pool.pids)
        run = pool.run

        async def stale_at_first(job: Any) -> Any:
            return AnchorIs(seen) if stale & set(pool.pids) else await run(job)

        monkeypatch.setattr(pool, "run", stale_at_first)
        await TokenAnchor(pool).advance(SECOND, THIRD)
        assert await TokenAnchor(pool).read() == THIRD


async def test_a_newer_value_is_another_vaults(softhsm: SoftHsm) -> None:
    async with open_pool(softhsm) as pool:
        await TokenAnchor(pool).advance(FIRST, SECOND)
        before = pool.pids
        with pytest.raises(AnchorMoved):
            await TokenAnchor(pool).advance(FIRST, THIRD)
        assert pool.pids == before
