"""Vaults made in this process, with the token that all tests share; they do not run."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from records import active
from vault_process import prepare_vault

from strongroom_protocol import labels
from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.ledger.group_commit import Ledger
from strongroom_vault.ledger.journal import LedgerKeys
from strongroom_vault.operator import init
from strongroom_vault.operator.access import token_of
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Decision
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from vault_process import SoftHsm, VaultFolder

    from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.records.record import Record, StoredOprfKey
    from strongroom_vault.settings.config import Settings


def before_init(folder: Path, softhsm: SoftHsm, **tables: dict[str, Any]) -> VaultFolder:
    """Prepare a vault over a token with a vault's keys and without an anchor."""
    with open_token(softhsm.settings()) as token:
        vault_keys.create_missing_keys(token.session)
        token.anchor.remove()
    return prepare_vault(folder, softhsm, **tables)


def made_vault(folder: Path, softhsm: SoftHsm, **tables: dict[str, Any]) -> MadeVault:
    """Make a vault whose store nobody has used."""
    settings = before_init(folder, softhsm, **tables).settings()
    init.carry_out(settings, init.make_plan(settings), new_store=False)
    return MadeVault(settings)


@dataclass(frozen=True)
class MadeVault:
    """One vault, in a folder of its own."""

    settings: Settings

    @property
    def database(self) -> Path:
        """The store."""
        return self.settings.store.path

    async def register(self, oprf_key: StoredOprfKey | None = None) -> bytes:
        """Commit a fresh record, anchored; return its id."""
        record_id = os.urandom(labels.RECORD_ID_SIZE)
        record = active() if oprf_key is None else active(oprf_key=oprf_key)

        def decide(_: Record) -> Decision[None]:
            return Decision(record, None, EventKind.REGISTERED)

        with (
            token_of(self.settings) as token,
            closing(SqliteStore(self.database, self.settings.vault.id)) as store,
        ):
            keys = LedgerKeys(
                token.keys.derive_secret(labels.RECORD_SEALING),
                token.keys.derive_secret(labels.HEAD),
            )
            ledger = Ledger(store, SlotsAnchor(token.anchor), keys, self.settings.vault.id)
            await ledger.start()
            try:
                await ledger.change(record_id, decide)
            finally:
                await ledger.close()
        return record_id


class SlotsAnchor:
    """The token's own anchor, without a worker between."""

    def __init__(self, slots: AnchorSlots) -> None:
        self._slots = slots

    async def read(self) -> Anchored | None:
        return self._slots.read()

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        assert self._slots.advance(expected, new) == new
