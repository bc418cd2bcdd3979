"""Fill a vault's store with records, as if so many people had registered; no token call for each.

All records share one OPRF key and one registration record, and differ in id and seal. The store is
written bucket by bucket in a few large commits, and the token's anchor then remembers the last.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from load import RECORD
from worlds import TokenOf

from strongroom_protocol import labels
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.ledger.head import open_head, seal_head
from strongroom_vault.ledger.merkle import Tree, bucket_hash
from strongroom_vault.records.codec import encode_record
from strongroom_vault.records.record import Active, Record
from strongroom_vault.records.sealing import RowSealer
from strongroom_vault.service.derived_keys import Keys
from strongroom_vault.settings import loading
from strongroom_vault.store.interface import BUCKET_BITS, Commit, Row, bucket_of
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.records.record import StoredOprfKey

BUCKETS_IN_A_COMMIT: Final = 4096


def account(number: int) -> str:
    """The name of one of them."""
    return f"account-{number}"


def fill(token_of: TokenOf, count: int) -> None:
    """Add `count` accounts to the vault's empty store. Called by `worlds.in_token`."""
    settings = loading.load(Path(token_of.settings_file), {})
    with open_token(token_of.settings) as token:
        keys = Keys({label: token.keys.derive_secret(label) for label in labels.DERIVED_KEYS})
        record = encode_record(_record(token.keys.oprf_keys.generate(resident=False)))
        store = SqliteStore(settings.store.path, settings.vault.id)
        head = open_head(store.load().head, keys.ledger.head, settings.vault.id)
        hashes: dict[int, bytes] = {}
        for rows in _commits(keys, count, record):
            changed = {
                bucket: bucket_hash({row.id: row.sealed for row in inside})
                for bucket, inside in groupby(rows, key=lambda row: bucket_of(row.id))
            }
            hashes.update(changed)
            head = replace(
                head,
                epoch=head.epoch + 1,
                previous=head.anchored.digest,
                root=Tree(BUCKET_BITS, hashes).root,
            )
            store.commit(Commit(rows, changed, (), seal_head(head, keys.ledger.head)))
        store.close()
        token.anchor.replace(head.anchored)


def _commits(keys: Keys, count: int, record: bytes) -> Iterator[list[Row]]:
    sealer = RowSealer(keys.ledger.record_sealing)
    ids = sorted(keys.record_id(account(number)) for number in range(count))
    for _, inside in groupby(ids, key=lambda name: bucket_of(name) // BUCKETS_IN_A_COMMIT):
        yield [Row(name, sealer.seal(record, name)) for name in inside]


def _record(oprf_key: StoredOprfKey) -> Record:
    key = Active(
        key_id=secrets.token_bytes(16),
        created_at=time.time_ns() // 1_000_000,
        attempt_limit=10,
        oprf_key=oprf_key,
        registration_record=RECORD,
        sealed_backup_key=secrets.token_bytes(60),
        stretching=RFC9106_SECOND,
    )
    return Record(0, 0, 1, key)
