"""Reads that are verified against the tree."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from ledgers import KEYS, VAULT_ID, make_store
from records import active

from strongroom_vault.ledger.head import InvalidHead, open_head
from strongroom_vault.ledger.merkle import Tree, bucket_hash
from strongroom_vault.ledger.verified_store import VerifiedStore, tree_of
from strongroom_vault.records.codec import encode_record
from strongroom_vault.records.sealing import InvalidSeal, RowSealer
from strongroom_vault.store.interface import BUCKET_BITS, Commit, Row, Snapshot, bucket_of
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ID = b"\x12\x34" + b"i" * 30
NUMBER = bucket_of(ID)
SEALER = RowSealer(KEYS.record_sealing)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    make_store(tmp_path / "vault.db")
    with closing(SqliteStore(tmp_path / "vault.db", VAULT_ID)) as opened:
        yield opened


def put(store: SqliteStore, name: bytes, sealed: bytes) -> dict[int, bytes]:
    """Commit a row as whoever owns the database could; return the hash that a tree must have."""
    buckets = {bucket_of(name): bucket_hash({name: sealed})}
    store.commit(Commit([Row(name, sealed)], buckets, [], store.load().head))
    return buckets


def test_what_the_tree_says_is_read(store: SqliteStore) -> None:
    record = active(3)
    buckets = put(store, ID, SEALER.seal(encode_record(record), ID))
    rows = VerifiedStore(store, SEALER, Tree(BUCKET_BITS, buckets))
    assert rows.records(NUMBER) == {ID: record}
    assert rows.records(0) == {}
    assert rows.buckets((NUMBER,))[NUMBER].hash == buckets[NUMBER]


def test_a_row_that_the_tree_does_not_state(store: SqliteStore) -> None:
    put(store, ID, SEALER.seal(encode_record(active(3)), ID))
    rows = VerifiedStore(store, SEALER, Tree(BUCKET_BITS, {}))
    assert rows.records(NUMBER) == {}  # the tree says that the bucket is empty: nothing is read
    with pytest.raises(InvalidSeal, match="not the one that the head states"):
        rows.buckets((NUMBER,))


def test_a_row_that_somebody_else_sealed(store: SqliteStore) -> None:
    buckets = put(store, ID, RowSealer(b"x" * 32).seal(encode_record(active(3)), ID))
    rows = VerifiedStore(store, SEALER, Tree(BUCKET_BITS, buckets))
    with pytest.raises(InvalidSeal):
        rows.records(NUMBER)


def test_hashes_that_are_not_the_heads(store: SqliteStore) -> None:
    snapshot = store.load()
    head = open_head(snapshot.head, KEYS.head, VAULT_ID)
    assert tree_of(head, snapshot).root == head.root
    with pytest.raises(InvalidHead, match="not those of its head"):
        tree_of(head, Snapshot(snapshot.head, {5: b"x" * 32}))
    with pytest.raises(InvalidHead, match="no vault wrote"):
        tree_of(head, Snapshot(snapshot.head, {5: b"short"}))
