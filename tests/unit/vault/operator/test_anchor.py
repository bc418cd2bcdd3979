"""How a database compares with the anchor, and what accepting a loss makes of it."""

from __future__ import annotations

import shutil
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from token_child import in_child

from strongroom_protocol import labels
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.ledger.head import Anchored, open_head
from strongroom_vault.operator import anchor
from strongroom_vault.operator.access import token_lock, token_of
from strongroom_vault.store.sqlite import SqliteReader, SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    import pkcs11
    from made_vault import MadeVault
    from vault_process import SoftHsm

    from strongroom_vault.store.interface import Commit


@pytest.fixture
async def rolled_back(made: MadeVault, tmp_path: Path) -> MadeVault:
    """A vault whose database is three commits older than its anchor."""
    await made.register()
    shutil.copy(made.database, tmp_path / "old.db")
    for _ in range(3):
        await made.register()
    shutil.copy(tmp_path / "old.db", made.database)
    return made


async def test_the_newest_database_has_no_problem(made: MadeVault) -> None:
    await made.register()
    status = anchor.anchor_status(made.settings)
    assert (status.problem, status.missing, status.head.epoch) == ("", 0, 1)
    assert status.anchored == status.head.anchored


async def test_an_older_database_misses_epochs(rolled_back: MadeVault) -> None:
    status = anchor.anchor_status(rolled_back.settings)
    assert (status.missing, status.head.epoch) == (3, 1)
    assert "3 commits are missing" in status.problem


async def test_a_loss_is_accepted_above_all_lost_commits(rolled_back: MadeVault) -> None:
    before = anchor.accept_loss(rolled_back.settings)
    assert before.missing == 3
    after = anchor.anchor_status(rolled_back.settings)
    assert (after.problem, after.missing) == ("", 0)
    assert (after.head.epoch, after.head.loss_epoch) == (5, 5)
    assert after.head.root == before.head.root
    assert after.head.previous == before.head.anchored.digest
    with closing(SqliteReader(rolled_back.database, rolled_back.settings.vault.id)) as store:
        last = list(store.events())[-1]
    assert b'"event":"loss accepted"' in last
    assert b'"database_epoch":1' in last
    assert b'"anchor_epoch":4' in last


def _move_anchor(session: pkcs11.Session, epoch: int) -> None:
    AnchorSlots(session).replace(Anchored(epoch, bytes(32)))


async def test_a_loss_is_not_accepted_while_another_process_moves_the_anchor(
    rolled_back: MadeVault, softhsm: SoftHsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move falls between the commit and our own move; it was once taken for ours."""
    real = SqliteStore.commit

    def commit(store: SqliteStore, commit: Commit) -> None:
        real(store, commit)
        in_child(softhsm, _move_anchor, 9)

    with monkeypatch.context() as patched:
        patched.setattr(SqliteStore, "commit", commit)
        with pytest.raises(OperatorError, match="anchor changed meanwhile and holds commit 9"):
            anchor.accept_loss(rolled_back.settings)
    status = anchor.anchor_status(rolled_back.settings)
    assert status.anchored == Anchored(9, bytes(32))
    assert status.problem
    anchor.accept_loss(rolled_back.settings)  # as the hint says
    assert anchor.anchor_status(rolled_back.settings).problem == ""


async def test_without_a_loss_there_is_none_to_accept(made: MadeVault) -> None:
    with pytest.raises(OperatorError, match="there is no loss to accept"):
        anchor.accept_loss(made.settings)


async def test_a_running_vault_loses_nothing_to_an_operator(rolled_back: MadeVault) -> None:
    with (
        token_lock(rolled_back.settings),
        pytest.raises(OperatorError, match="the vault is running"),
    ):
        anchor.accept_loss(rolled_back.settings)


async def test_an_anchor_that_moves_on_between_two_looks_is_no_problem(made: MadeVault) -> None:
    """A vault that serves commits before, while and after the store is looked at."""
    await made.register()
    settings = made.settings
    with (
        token_of(settings) as token,
        closing(SqliteReader(made.database, settings.vault.id)) as store,
    ):
        key = token.keys.derive_secret(labels.HEAD)
        now = open_head(store.load().head, key, settings.vault.id).anchored
        older, newer = Anchored(now.epoch - 1, bytes(32)), Anchored(now.epoch + 1, bytes(32))
        token.anchor.replace(newer)
        assert anchor.compare(settings, token, store, older).problem == ""
        assert anchor.compare(settings, token, store, now).problem == ""
        assert "1 commit is missing" in anchor.compare(settings, token, store, newer).problem
        assert "1 commit is missing" in anchor.compare(settings, token, store).problem


async def test_keys_that_the_token_opens_are_not_lost(made: MadeVault) -> None:
    with token_of(made.settings) as token:
        wrapped = token.keys.oprf_keys.generate(resident=False)
    await made.register(wrapped)
    assert anchor.lost_keys(made.settings) == 0


async def test_another_vaults_database_is_no_database_of_this_one(made: MadeVault) -> None:
    with (
        token_of(made.settings) as token,
        closing(SqliteReader(made.database, made.settings.vault.id)) as store,
    ):
        token.keys.__dict__["derive_secret"] = lambda _label: b"another vault's secret" + bytes(10)
        with pytest.raises(OperatorError, match="was not made by this vault"):
            anchor.compare(made.settings, token, store)
