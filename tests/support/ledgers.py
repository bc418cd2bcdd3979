"""Ledgers for tests: a real SQLite store, and an anchor in memory beside the token's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import HsmUnavailable
from strongroom_vault.ledger.anchor import AnchorMoved
from strongroom_vault.ledger.journal import LedgerKeys
from strongroom_vault.operator.init import first_commit
from strongroom_vault.store import sqlite_file

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom_vault.ledger.head import Anchored

VAULT_ID: Final = "vault.test"
KEYS: Final = LedgerKeys(record_sealing=b"s" * 32, head=b"h" * 32)


class MemoryAnchor:
    """Remembers in memory what the token's anchor would; can be made to fail."""

    def __init__(self, value: Anchored | None) -> None:
        self.value = value
        self.fails = False
        self.fails_once = False
        self.advances = 0

    async def read(self) -> Anchored | None:
        return self.value

    async def advance(self, expected: Anchored, new: Anchored) -> None:
        fails_once, self.fails_once = self.fails_once, False
        if self.fails or fails_once:
            raise HsmUnavailable("the token is gone", 1.0)
        if self.value not in (expected, new):
            raise AnchorMoved("moved")
        self.value = new
        self.advances += 1


def make_store(path: Path, keys: LedgerKeys = KEYS) -> MemoryAnchor:
    """Make an empty store; return the anchor that remembers its first head."""
    first, anchored = first_commit(VAULT_ID, keys.head)
    sqlite_file.create(path, VAULT_ID, first)
    return MemoryAnchor(anchored)
