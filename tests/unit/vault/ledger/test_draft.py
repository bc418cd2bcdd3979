"""A commit in the making, without a store."""

from __future__ import annotations

import json

import pytest
from ledgers import KEYS
from records import KEY, active

from strongroom_vault.ledger.draft import Change, Draft
from strongroom_vault.ledger.merkle import Bucket, bucket_hash
from strongroom_vault.records.codec import encode_record
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Decision
from strongroom_vault.records.record import Deleted, Record
from strongroom_vault.records.sealing import InvalidSeal, RowSealer
from strongroom_vault.store.interface import bucket_of

ID = b"\x12\x34" + b"i" * 30
SEALER = RowSealer(KEYS.record_sealing)
NUMBER = bucket_of(ID)


def draft(record: Record | None = None, loss_epoch: int = 0) -> Draft:
    rows = {} if record is None else {ID: SEALER.seal(encode_record(record), ID)}
    return Draft({NUMBER: Bucket(rows)}, SEALER, loss_epoch, now=5)


def charge(record: Record) -> Decision[int]:
    charged = active(record.charged + 1, generation=record.generation)
    return Decision(charged, charged.charged, EventKind.ATTEMPT)


def keep(record: Record) -> Decision[Record]:
    return Decision(record, record)


def test_each_change_sees_what_the_one_before_it_left() -> None:
    made = draft(active(3))
    assert [made.decide(Change(ID, charge)) for _ in range(2)] == [4, 5]
    (row,) = made.rows()
    assert row.id == ID
    assert made.event_counts == {EventKind.ATTEMPT: 2}
    assert [json.loads(body) for body in made.events] == [
        {"event": "attempt", "time": 5, "record": ID.hex()}
    ] * 2


def test_what_is_as_it_was_is_not_written() -> None:
    made = draft(active(3))
    assert made.decide(Change(ID, keep)) == active(3)
    assert (made.rows(), made.events, made.dropped_keys) == ([], [], [])


def test_a_new_record_begins_absent() -> None:
    assert draft().decide(Change(ID, keep)) == Record()


def test_an_accepted_loss_is_applied_and_written_with_the_next_change() -> None:
    made = draft(active(3), loss_epoch=2)
    record = made.decide(Change(ID, keep))
    assert isinstance(record, Record)
    assert record.loss_epoch == 2
    assert len(made.rows()) == 1
    untouched = draft(None, loss_epoch=2)
    untouched.decide(Change(ID, keep))
    assert untouched.rows() == []


def test_a_key_that_leaves_its_record_is_dropped() -> None:
    made = draft(active(3))
    gone = Record(3, 0, 2, Deleted(5))
    made.decide(Change(ID, lambda _: Decision(gone, None)))
    assert made.dropped_keys == [KEY.oprf_key]


def test_an_event_of_no_record_has_its_numbers() -> None:
    made = draft()
    note = Change(
        None, lambda record: Decision(record, 7, EventKind.WRAP_KEY_MADE), {"wrap_key": 2}
    )
    assert made.decide(note) == 7
    assert [json.loads(body) for body in made.events] == [
        {"event": "wrap key made", "time": 5, "wrap_key": 2}
    ]
    silent = Change(None, keep)
    assert made.decide(silent) == Record()
    assert len(made.events) == 1


def test_a_row_of_somebody_else_stops_the_draft() -> None:
    made = Draft({NUMBER: Bucket({ID: SEALER.seal(b"", b"x" * 32)})}, SEALER, 0, now=5)
    with pytest.raises(InvalidSeal):
        made.decide(Change(ID, keep))


def test_rows_change_the_hashes_of_their_buckets() -> None:
    made = draft()
    made.decide(Change(ID, charge))
    rows = made.rows()
    assert made.put(rows) == {NUMBER: bucket_hash({ID: rows[0].sealed})}
