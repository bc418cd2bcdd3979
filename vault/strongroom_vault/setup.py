"""What `strongroom-vault init` does: the vault's keys in the token, and an empty store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_vault import labels
from strongroom_vault.audit import NO_EVENT, Event, What, extend
from strongroom_vault.errors import OperatorError
from strongroom_vault.head import NO_HEAD, Head, seal_head
from strongroom_vault.hsm import anchor_slots, vault_keys
from strongroom_vault.hsm.known_answers import check_token
from strongroom_vault.hsm.pkcs11 import Pkcs11Token, open_session
from strongroom_vault.merkle import Tree
from strongroom_vault.server import token_settings
from strongroom_vault.store import sqlite
from strongroom_vault.store.interface import BUCKET_BITS, Commit

if TYPE_CHECKING:
    from strongroom_vault.config import Settings
    from strongroom_vault.head import Anchored


@dataclass(frozen=True, slots=True)
class Plan:
    """What is there and what would be made."""

    existing_keys: tuple[str, ...]
    has_store: bool

    @property
    def is_clean(self) -> bool:
        """Whether nothing of a vault is there yet."""
        return not self.existing_keys and not self.has_store


def make_plan(settings: Settings) -> Plan:
    """Look at the token and the store.

    Raises:
        OperatorError: the token cannot be opened.
    """
    with open_session(token_settings(settings)) as session:
        existing = tuple(vault_keys.existing_labels(session))
    return Plan(existing, settings.store.path.exists())


def carry_out(settings: Settings, plan: Plan, *, new_store: bool) -> bytes:
    """Make the keys, try them, make the store; return the identity public key (33 bytes).

    With `new_store`, keys that are there are kept and only the store is made.

    Raises:
        OperatorError: something is there already, or cannot be made.
    """
    if plan.has_store:
        raise OperatorError("this vault has a store already; init never overwrites one")
    if plan.existing_keys and not new_store:
        raise OperatorError(
            "the token has a vault's keys but there is no store. If the store was lost, restore it."
            " If this vault never served anybody, run init --new-store"
        )
    opened = token_settings(settings)
    with open_session(opened) as session:
        if not plan.existing_keys:
            vault_keys.create_vault_keys(session)
        token = Pkcs11Token(session, opened.module)
        check_token(token)
        if (anchored := token.read_anchor()) is not None and anchored.epoch > 0:
            raise OperatorError(
                f"the token's anchor remembers a store with {anchored.epoch} commits; restore it"
            )
        first, anchor = first_commit(settings.vault.id, token.derive_secret(labels.HEAD))
        sqlite.create(settings.store.path, settings.vault.id, first)
        anchor_slots.replace(session, anchor)
        return token.identity.public_key.encode()


def first_commit(vault_id: str, head_key: bytes) -> tuple[Commit, Anchored]:
    """Return the commit of an empty store, and what the anchor must remember of it."""
    now = time.time_ns() // 1_000_000
    events = [Event(What.INITIALISED, now).body()]
    root = Tree(BUCKET_BITS, {}).root
    head = Head(vault_id, 0, root, extend(NO_EVENT, events), NO_HEAD, loss_epoch=0, time=now)
    return Commit((), {}, events, seal_head(head, head_key)), head.anchored
