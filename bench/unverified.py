"""strongroom-vault without its proof against rollback, only to measure what the proof costs.

No bucket is verified; no tree, audit log, head or anchor moves. Its store is thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strongroom_vault.cli import commands
from strongroom_vault.ledger.journal import Journal
from strongroom_vault.ledger.verified_store import VerifiedStore
from strongroom_vault.store.interface import Commit, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class _Rows:
    """A bucket whose rows nobody digests."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self.rows = rows


def _buckets(self: VerifiedStore, numbers: Collection[int]) -> dict[int, _Rows]:
    return {number: _Rows(rows) for number, rows in self._store.read_buckets(numbers).items()}


def _write(self: Journal, rows: list[Row], _draft: Any) -> None:
    self._store.commit(Commit(rows, {}, (), b""))
    self.statistics.commits += 1


if __name__ == "__main__":
    for kind, name, instead in ((VerifiedStore, "buckets", _buckets), (Journal, "_write", _write)):
        getattr(kind, name)  # fails loudly where the ledger has changed
        setattr(kind, name, instead)
    commands.main()
