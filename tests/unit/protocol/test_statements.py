"""Every statement that the vault authenticates, byte by byte, against vectors/statements.json.

A change here makes every existing store unreadable or unverifiable: it needs a new label, not a new
golden value. Sealed rows and states have a random salt, so the file holds sealed bytes that must
open. `python tests/unit/protocol/test_statements.py` prints what the code says now.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from records import active
from strongroom_labels import LABELS

from strongroom.sealed_key import Binding
from strongroom_protocol import labels
from strongroom_vault.ledger.audit import NO_EVENT, extend
from strongroom_vault.ledger.head import Head, open_head, seal_head
from strongroom_vault.ledger.merkle import Tree, bucket_hash, node_hash, record_digest
from strongroom_vault.records.codec import (
    RecoveryState,
    decode_record,
    decode_recovery_state,
    encode_record,
    encode_recovery_state,
)
from strongroom_vault.records.events import Event, EventKind
from strongroom_vault.records.sealing import RowSealer, Sealer
from strongroom_vault.service.derived_keys import Keys

FILE: Final = Path(__file__).parents[2] / "vectors" / "statements.json"
GOLDEN: Final[dict[str, str]] = (
    json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
)
KEY: Final = b"k" * 32
ONE, OTHER = b"\x01" * 32, b"\x02" * 32
ROWS: Final = {ONE: b"one row", OTHER: b"another"}
EVENT: Final = Event(EventKind.RELEASED, 1_800_000_000_000, ONE, (("serial", 3),))
HEAD: Final = Head(
    vault_id="vault.test",
    epoch=7,
    root=b"r" * 32,
    audit=b"a" * 32,
    previous=b"p" * 32,
    loss_epoch=5,
    time=1_800_000_000_000,
)
RECOVERY: Final = RecoveryState(b"i" * 16, 9, b"m" * 32, 1_800_000_120_000)


def statements() -> dict[str, bytes]:
    """All that is the same each time it is made."""
    keys = Keys(dict.fromkeys(labels.DERIVED_KEYS, KEY))
    return {
        **{f"label {name}": label for name, label in LABELS.items()},
        "labels of derived keys": "\n".join(labels.DERIVED_KEYS).encode(),
        "record id of alice": keys.record_id("alice"),
        "record digest": record_digest(ONE, ROWS[ONE]),
        "bucket": bucket_hash(ROWS),
        "empty bucket": bucket_hash({}),
        "node": node_hash(b"l" * 32, b"r" * 32),
        "root of nothing": Tree(16, {}).root,
        "root with buckets 0 and 65535": Tree(16, {0: b"x" * 32, 65535: b"y" * 32}).root,
        "event": EVENT.body(),
        "audit digest of one event": extend(NO_EVENT, [EVENT.body()]),
        "head statement": HEAD.statement(),
        "head digest": sha256(HEAD.statement()).digest(),
        "head as stored": seal_head(HEAD, KEY),
        "anchor value": HEAD.anchored.encode(),
        "record message": encode_record(active(3)),
        "recovery state message": encode_recovery_state(RECOVERY),
        "server identity": labels.SERVER_IDENTITY_PREFIX + b"vault.test",
        "associated data of a sealed backup key": Binding(
            "vault.test", "alice", b"i" * 16
        ).associated_data(),
    }


def seals() -> dict[str, bytes]:
    """What is sealed anew each time."""
    return {
        "row of alice": RowSealer(KEY).seal(encode_record(active(3)), ONE),
        "recovery state of alice": Sealer(KEY).seal(encode_recovery_state(RECOVERY), b"alice"),
    }


@pytest.mark.parametrize("name", statements())
def test_the_golden_bytes(name: str) -> None:
    assert statements()[name].hex() == GOLDEN[name]


def test_nothing_else_is_in_the_file() -> None:
    assert set(GOLDEN) == set(statements()) | set(seals())


def test_old_seals_open() -> None:
    row = RowSealer(KEY).open(bytes.fromhex(GOLDEN["row of alice"]), ONE)
    assert decode_record(row) == active(3)
    state = Sealer(KEY).open(bytes.fromhex(GOLDEN["recovery state of alice"]), b"alice")
    assert decode_recovery_state(state) == RECOVERY


def test_an_old_head_opens() -> None:
    assert open_head(bytes.fromhex(GOLDEN["head as stored"]), KEY, "vault.test") == HEAD


if __name__ == "__main__":
    found = {name: value.hex() for name, value in {**statements(), **seals()}.items()}
    print(json.dumps(found, indent=1))  # noqa: T201 -- a program's output
