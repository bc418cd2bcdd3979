"""What a store is asked: rows, commits, buckets."""

from __future__ import annotations

import pytest

from strongroom_vault.store.interface import BUCKET_BITS, Row, StoreChanged, StoreError, bucket_of


@pytest.mark.parametrize(
    ("record_id", "bucket"),
    [
        (bytes(32), 0),
        (b"\x00\x01" + bytes(30), 1),
        (b"\x01\x00" + b"\xff" * 30, 256),
        (b"\xff" * 32, 2**BUCKET_BITS - 1),
    ],
)
def test_a_bucket_is_the_first_bits_of_the_record_id(record_id: bytes, bucket: int) -> None:
    assert bucket_of(record_id) == bucket


def test_a_row_does_not_show_its_record() -> None:
    assert "secret" not in repr(Row(bytes(32), b"secret"))


def test_what_somebody_changed_is_also_a_failure_of_the_store() -> None:
    assert issubclass(StoreChanged, StoreError)
