"""The tree against a slow literal twin, and its golden values."""

from __future__ import annotations

import hashlib
import random
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_vault.ledger.merkle import (
    EMPTY,
    Bucket,
    InvalidRow,
    Tree,
    bucket_hash,
    record_digest,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BITS = 4
hashes = st.just(EMPTY) | st.binary(min_size=32, max_size=32)
leaves = st.dictionaries(st.integers(0, 2**BITS - 1), hashes)


def literal_root(buckets: dict[int, bytes], bits: int = BITS) -> bytes:
    """The definition, word by word."""
    level = [buckets.get(number, bytes(32)) for number in range(2**bits)]
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [hashlib.sha256(b"\x02" + left + right).digest() for left, right in pairs]
    return level[0]


@given(leaves)
def test_the_root_is_that_of_the_definition(buckets: dict[int, bytes]) -> None:
    tree = Tree(BITS, buckets)
    assert tree.root == literal_root(buckets)
    assert all(tree.bucket(number) == buckets.get(number, EMPTY) for number in range(2**BITS))


@given(leaves, st.lists(leaves, max_size=5))
def test_updates_arrive_where_building_anew_does(
    buckets: dict[int, bytes], changes: list[dict[int, bytes]]
) -> None:
    tree = Tree(BITS, buckets)
    for change in changes:
        before = tree.root
        update = tree.plan(change)
        assert tree.root == before  # a plan changes nothing
        tree.apply(update)
        buckets = buckets | change
        assert tree.root == update.root == literal_root(buckets)
        assert tree.occupied() == sorted(n for n, value in buckets.items() if value != EMPTY)


@given(leaves, st.integers(0, 2**BITS - 1), hashes)
def test_every_bucket_counts(buckets: dict[int, bytes], number: int, value: bytes) -> None:
    changed = buckets | {number: value}
    same = buckets.get(number, EMPTY) == value
    assert (Tree(BITS, buckets).root == Tree(BITS, changed).root) == same


def test_the_full_size_against_the_twin() -> None:
    numbers = random.Random(7).sample(range(2**16), 300)
    buckets = {number: hashlib.sha256(bytes([number % 256])).digest() for number in numbers}
    assert Tree(16, buckets).root == literal_root(buckets, 16)


@pytest.mark.parametrize("count", [0, 300, 2**16])
def test_the_occupied_buckets_are_told_without_a_look_at_each(count: int) -> None:
    """The event loop asks for them, and must not stand still."""
    tree = Tree(16, dict.fromkeys(range(count), bytes([7]) * 32))

    def literal() -> list[int]:
        return [number for number in range(2**16) if tree.bucket(number) != EMPTY]

    assert tree.occupied() == literal()
    assert 4 * _fastest(tree.occupied) < _fastest(literal)


def _fastest(work: Callable[[], object]) -> float:
    def once() -> float:
        began = time.thread_time()
        work()
        return time.thread_time() - began

    return min(once() for _ in range(5))


def test_a_bucket_is_its_records_in_id_order() -> None:
    rows = {b"b" * 32: b"two", b"a" * 32: b"one"}
    digests = b"".join(
        hashlib.sha256(b"\x00" + name + rows[name]).digest() for name in (b"a" * 32, b"b" * 32)
    )
    assert bucket_hash(rows) == hashlib.sha256(b"\x01" + digests).digest()
    assert bucket_hash({}) == bytes(32)
    assert record_digest(b"a" * 32, b"one") == digests[:32]


def test_a_bucket_holds_what_was_put_into_it() -> None:
    bucket = Bucket({b"a" * 32: b"one"})
    bucket.put(b"a" * 32, b"another")
    bucket.put(b"b" * 32, b"two")
    assert bucket.rows == {b"a" * 32: b"another", b"b" * 32: b"two"}
    assert bucket.hash == bucket_hash(bucket.rows)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_an_id_of_another_size_has_no_digest(size: int) -> None:
    with pytest.raises(InvalidRow, match=f"an id of {size} bytes"):
        record_digest(bytes(size), b"sealed")


@pytest.mark.parametrize(
    ("number", "size"), [(-1, 32), (2**BITS, 32), (2**BITS + 1, 32), (0, 31), (0, 33), (0, 0)]
)
def test_no_tree_is_built_over_what_is_no_bucket(number: int, size: int) -> None:
    with pytest.raises(InvalidRow, match=f"a hash of {size} bytes for bucket {number}"):
        Tree(BITS, {number: bytes(size)})


@pytest.mark.parametrize(
    ("buckets", "root"),
    [
        ({}, "4d404f345f2c96a214f92ff1099b9fc7a92782583a3f165ed11688fbf87a7ab2"),
        ({0: b"\x01" * 32}, "598d4e2db14f78e5ae43686083a4ce99aa5614f62840e784168d9ddd3fdd0b90"),
        (
            {65535: b"\x02" * 32, 1: b"\x03" * 32},
            "0a96212ac76de17e2faa774ceb0bf911258b03a30087a67eb74b6f577063b46e",
        ),
    ],
)
def test_golden_roots(buckets: dict[int, bytes], root: str) -> None:
    assert Tree(16, buckets).root.hex() == root
