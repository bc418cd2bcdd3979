"""Checks a whole store: every row against the head, every key against the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol import labels
from strongroom_vault.errors import OperatorError
from strongroom_vault.ledger.merkle import EMPTY, InvalidRow, Tree, bucket_hash
from strongroom_vault.records.codec import decode_record
from strongroom_vault.records.record import Active
from strongroom_vault.records.sealing import RowSealer
from strongroom_vault.store.interface import BUCKET_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strongroom_vault.hsm.token.open_token import OpenToken
    from strongroom_vault.ledger.head import Head
    from strongroom_vault.store.sqlite import SqliteReader

BUCKETS_AT_ONCE: Final = 256
"""How many buckets one read takes."""


def verify_rows(store: SqliteReader, head: Head) -> None:
    """Check every row of a store against its head.

    Raises:
        OperatorError: a row, or a bucket, is not what the head states.
    """
    snapshot = store.load()
    try:
        root = Tree(BUCKET_BITS, snapshot.buckets).root
    except InvalidRow as error:
        raise OperatorError(f"the database is not whole: it has {error}") from error
    if root != head.root:
        raise OperatorError(
            "the database is not whole: its bucket hashes are not those of its head"
        )
    for number, rows in all_buckets(store):
        try:
            is_whole = bucket_hash(rows) == snapshot.buckets.get(number, EMPTY)
        except InvalidRow:
            is_whole = False
        if not is_whole:
            raise OperatorError(f"the database is not whole: bucket {number} was changed")


def count_lost_keys(store: SqliteReader, token: OpenToken) -> int:
    """Count the keys that the token cannot open: it lacks their wrap key, or the key itself."""
    sealer = RowSealer(token.keys.derive_secret(labels.RECORD_SEALING))
    wrap_keys, residents = (
        set(token.keys.wrap_keys.numbers()),
        set(token.keys.oprf_keys.list_resident()),
    )
    lost = 0
    for _, rows in all_buckets(store):
        for record_id, row in rows.items():
            state = decode_record(sealer.open(row, record_id)).state
            if isinstance(state, Active):
                key = state.oprf_key
                there = (
                    key.public_key in residents if key.is_resident else key.wrap_key in wrap_keys
                )
                lost += not there
    return lost


def all_buckets(store: SqliteReader) -> Iterator[tuple[int, Mapping[bytes, bytes]]]:
    """Yield all buckets of a store, by number, with their rows."""
    for first in range(0, 2**BUCKET_BITS, BUCKETS_AT_ONCE):
        yield from store.read_buckets(range(first, first + BUCKETS_AT_ONCE)).items()
