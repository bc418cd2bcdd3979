"""Reads of the store, each verified against the Merkle tree in memory. One thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_vault.ledger.head import InvalidHead
from strongroom_vault.ledger.merkle import EMPTY, Bucket, InvalidRow, Tree
from strongroom_vault.records.codec import decode_record
from strongroom_vault.records.sealing import InvalidSeal
from strongroom_vault.store.interface import BUCKET_BITS

if TYPE_CHECKING:
    from collections.abc import Collection

    from strongroom_vault.ledger.head import Head
    from strongroom_vault.records.record import Record
    from strongroom_vault.records.sealing import RowSealer
    from strongroom_vault.store.interface import Snapshot, Store


def tree_of(head: Head, snapshot: Snapshot) -> Tree:
    """Return the tree over a store's bucket hashes.

    Raises:
        InvalidHead: they are not those of the head.
    """
    try:
        tree = Tree(BUCKET_BITS, snapshot.buckets)
    except InvalidRow as error:
        raise InvalidHead(f"the database has {error}, which no vault wrote") from error
    if tree.root != head.root:
        raise InvalidHead("the bucket hashes in the database are not those of its head")
    return tree


class VerifiedStore:
    """A store, and the tree that says what it must hold."""

    def __init__(self, store: Store, sealer: RowSealer, tree: Tree) -> None:
        self.tree = tree
        self._store = store
        self._sealer = sealer

    def buckets(self, numbers: Collection[int]) -> dict[int, Bucket]:
        """Return buckets by number, all read at once.

        Raises:
            InvalidSeal: one is not what this vault wrote.
            StoreError: the store cannot be read.
        """
        stored = self._store.read_buckets(numbers)
        try:
            buckets = {number: Bucket(rows) for number, rows in stored.items()}
        except InvalidRow as error:
            raise InvalidSeal("a row has an id that this vault never makes") from error
        # The whole bucket is compared, also for a record that is not there: a store that leaves a
        # record out would otherwise make its account look new, with all attempts left.
        if any(bucket.hash != self.tree.bucket(number) for number, bucket in buckets.items()):
            raise InvalidSeal("a bucket is not the one that the head states")
        return buckets

    def records(self, number: int) -> dict[bytes, Record]:
        """Return the records of a bucket by id: all of them, or an error.

        Raises:
            InvalidSeal, StoreError: as `buckets`.
        """
        if self.tree.bucket(number) == EMPTY:
            # The tree knows that there is nothing. The sweep asks for every bucket: most are empty,
            # and need not be read.
            return {}
        rows = self.buckets((number,))[number].rows
        return {name: decode_record(self._sealer.open(row, name)) for name, row in rows.items()}
