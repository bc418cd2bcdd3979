"""What `strongroom-vault init` makes: the vault's keys in the token, an empty store, the anchor.

In this order, and each only where it is missing, so that after a crash the same command goes on.
The anchor is last: without one, nobody was ever served, and all the rest may be made anew.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_protocol import labels
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.self_test import check_keys
from strongroom_vault.ledger.audit import NO_EVENT, extend
from strongroom_vault.ledger.head import NO_HEAD, Head, InvalidHead, open_head, seal_head
from strongroom_vault.ledger.merkle import Tree
from strongroom_vault.operator import anchor as anchors
from strongroom_vault.operator.access import token_lock, token_of
from strongroom_vault.platform.clock import now_ms
from strongroom_vault.platform.files import exists
from strongroom_vault.records.events import Event, EventKind
from strongroom_vault.store import sqlite, sqlite_file
from strongroom_vault.store.interface import BUCKET_BITS, Commit

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.open_token import OpenToken
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.settings.config import Settings


@dataclass(frozen=True, slots=True)
class Plan:
    """What a vault has already; init would make the rest.

    Attributes:
        existing: labels of the vault's keys that the token has.
        missing: labels of those that it lacks.
        anchored: what the token's anchor remembers. Writing it is the last step of all, so None
            means that init never ran to its end, and that nobody was ever served.
        has_store: whether there is a store.
    """

    existing: tuple[str, ...]
    missing: tuple[str, ...]
    anchored: Anchored | None
    has_store: bool

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to make."""
        return not self.missing and self.anchored is not None and self.has_store


def make_plan(settings: Settings) -> Plan:
    """Find out what token and store have already.

    Raises:
        OperatorError: the token cannot be opened.
    """
    with token_of(settings) as token:
        return _plan(token, settings)


def carry_out(settings: Settings, plan: Plan, *, new_store: bool) -> bytes:
    """Make what is missing, test the keys, and return the identity public key (33 bytes).

    What an earlier call made before it was cut off is kept.

    Args:
        settings: the vault's.
        plan: what the operator has agreed to.
        new_store: make an empty store although this vault had one, which was never used.

    Raises:
        OperatorError: keys, store and anchor do not fit together, or one cannot be made.
    """
    if plan.is_done:
        return _check(settings)
    with (
        token_lock(settings, "the vault is running, or another init"),
        token_of(settings) as token,
    ):
        if _plan(token, settings) != plan:
            raise OperatorError(
                "token or store have changed since the plan was shown; run init again"
            )
        _refuse_what_does_not_fit(plan, new_store=new_store)
        vault_keys.create_missing_keys(token.session)
        check_keys(token.keys)  # before there is a store: keys that fail would open none of it
        anchored = _make_store(settings, token, plan)
        token.anchor.replace(anchored)  # last: an anchor says that the rest was made
        return token.keys.identity.public_key.encode()


def _check(settings: Settings) -> bytes:
    """Return the identity of a complete vault, which may be serving."""
    if problem := anchors.anchor_status(settings).problem:
        raise OperatorError(problem)
    return identity_of(settings)


def identity_of(settings: Settings) -> bytes:
    """Return the identity public key (33 bytes) of a vault, running or not, from its token.

    Raises:
        OperatorError: the token cannot be opened, or has no such key.
    """
    with token_of(settings) as token:
        return token.keys.identity.public_key.encode()


def _plan(token: OpenToken, settings: Settings) -> Plan:
    return Plan(
        tuple(vault_keys.existing_labels(token.session)),
        tuple(vault_keys.missing_labels(token.session)),
        token.anchor.read(),
        exists(settings.store.path, sqlite_file.STORE_PATH),
    )


def _refuse_what_does_not_fit(plan: Plan, *, new_store: bool) -> None:
    if plan.missing and (plan.has_store or plan.anchored is not None):
        raise OperatorError(
            f"there was a vault here, and the token lacks its {', '.join(plan.missing)}: restore"
            " the token; new keys would open no record"
        )
    if plan.has_store or plan.anchored is None:
        return
    if plan.anchored.epoch > 0:
        raise OperatorError(
            f"the token's anchor remembers a store with {plan.anchored.epoch} commits; restore it"
        )
    if not new_store:
        raise OperatorError(
            "the token has a vault's keys but there is no store. If the store was lost, restore it."
            " If this vault never served anybody, run init --new-store"
        )


def _make_store(settings: Settings, token: OpenToken, plan: Plan) -> Anchored:
    """Make the store if there is none; return what the anchor must remember of it."""
    path, vault_id = settings.store.path, settings.vault.id
    head_key = token.keys.derive_secret(labels.HEAD)
    if not plan.has_store:
        first, anchored = first_commit(vault_id, head_key)
        sqlite_file.create(path, vault_id, first)
        return anchored
    with closing(sqlite.SqliteReader(path, vault_id)) as store:
        try:
            head = open_head(store.load().head, head_key, vault_id)
        except InvalidHead as error:
            raise OperatorError(str(error)) from error
    if head.epoch > 0:
        raise OperatorError(
            f"the store has {head.epoch} commits but the token has no anchor: restore the token, or"
            " see strongroom-vault anchor accept"
        )
    return head.anchored


def first_commit(vault_id: str, head_key: bytes) -> tuple[Commit, Anchored]:
    """Return the commit of an empty store, and what the anchor must remember of it."""
    now = now_ms()
    events = [Event(EventKind.INITIALISED, now).body()]
    root = Tree(BUCKET_BITS, {}).root
    head = Head(vault_id, 0, root, extend(NO_EVENT, events), NO_HEAD, loss_epoch=0, time=now)
    return Commit((), {}, events, seal_head(head, head_key)), head.anchored
