"""What init finds, what it refuses, what it makes. A cut-off init is an integration test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.hsm.token.vault_keys import VAULT
from strongroom_vault.ledger.head import NO_HEAD, Anchored, open_head
from strongroom_vault.operator import init
from strongroom_vault.operator.access import token_lock

if TYPE_CHECKING:
    from made_vault import MadeVault
    from vault_process import SoftHsm, VaultFolder

KEY = b"h" * 32


def test_what_is_missing_is_made_once(before_init: VaultFolder) -> None:
    settings = before_init.settings()
    plan = init.make_plan(settings)
    assert set(plan.existing) == {label for label, _ in VAULT.keys}
    assert (plan.missing, plan.anchored, plan.has_store) == ((), None, False)
    assert not plan.is_done
    identity = init.carry_out(settings, plan, new_store=False)
    assert (len(identity), init.identity_of(settings)) == (33, identity)
    done = init.make_plan(settings)
    assert done.is_done
    assert done.anchored is not None
    assert done.anchored.epoch == 0
    store = settings.store.path.read_bytes()
    assert init.carry_out(settings, done, new_store=False) == identity
    assert settings.store.path.read_bytes() == store


def test_a_store_without_an_anchor_is_anchored_if_nobody_used_it(
    made: MadeVault, softhsm: SoftHsm
) -> None:
    with open_token(softhsm.settings()) as token:
        before = token.anchor.read()
        token.anchor.remove()
    init.carry_out(made.settings, init.make_plan(made.settings), new_store=False)
    with open_token(softhsm.settings()) as token:
        assert token.anchor.read() == before


async def test_a_used_store_gets_no_new_anchor(made: MadeVault, softhsm: SoftHsm) -> None:
    await made.register()
    with open_token(softhsm.settings()) as token:
        token.anchor.remove()
    with pytest.raises(OperatorError, match="the store has 1 commits but the token has no anchor"):
        init.carry_out(made.settings, init.make_plan(made.settings), new_store=False)


async def test_a_lost_store_is_not_replaced(made: MadeVault) -> None:
    made.database.unlink()
    plan = init.make_plan(made.settings)
    with pytest.raises(OperatorError, match="init --new-store"):
        init.carry_out(made.settings, plan, new_store=False)
    init.carry_out(made.settings, plan, new_store=True)
    await made.register()
    made.database.unlink()
    with pytest.raises(OperatorError, match="remembers a store with 1 commits; restore it"):
        init.carry_out(made.settings, init.make_plan(made.settings), new_store=True)


def test_the_operator_gets_what_was_shown_or_nothing(made: MadeVault) -> None:
    shown = init.make_plan(made.settings)
    made.database.unlink()
    stale = init.Plan(shown.existing, shown.missing, None, has_store=False)
    with pytest.raises(OperatorError, match="changed since the plan was shown; run init again"):
        init.carry_out(made.settings, stale, new_store=True)
    assert not made.database.exists()


def test_a_done_vault_whose_anchor_moved_is_not_done(made: MadeVault, softhsm: SoftHsm) -> None:
    with open_token(softhsm.settings()) as token:
        token.anchor.replace(Anchored(7, bytes(32)))
    with pytest.raises(OperatorError, match="7 commits are missing"):
        init.carry_out(made.settings, init.make_plan(made.settings), new_store=False)


def test_one_init_at_a_time(before_init: VaultFolder) -> None:
    settings = before_init.settings()
    plan = init.make_plan(settings)
    with (
        token_lock(settings),
        pytest.raises(OperatorError, match="the vault is running, or another init"),
    ):
        init.carry_out(settings, plan, new_store=False)


def test_the_first_commit_is_of_an_empty_store() -> None:
    first, anchored = init.first_commit("vault.test", KEY)
    head = open_head(first.head, KEY, "vault.test")
    assert (head.epoch, head.previous, head.loss_epoch) == (0, NO_HEAD, 0)
    assert head.anchored == anchored
    assert (list(first.rows), dict(first.buckets)) == ([], {})
    (event,) = first.events
    assert b'"event":"initialised"' in event
