"""What `strongroom-vault init` does: the vault's keys in the token, and an empty store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm import vault_keys
from strongroom_vault.hsm.known_answers import check_token
from strongroom_vault.hsm.pkcs11 import Pkcs11Token, open_session
from strongroom_vault.server import token_settings
from strongroom_vault.store import sqlite

if TYPE_CHECKING:
    from strongroom_vault.config import Settings


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
    with open_session(token_settings(settings)) as session:
        if not plan.existing_keys:
            vault_keys.create_vault_keys(session)
        token = Pkcs11Token(session)
        check_token(token)
        identity = token.identity.public_key.encode()
    sqlite.create(settings.store.path, settings.vault.id)
    return identity
