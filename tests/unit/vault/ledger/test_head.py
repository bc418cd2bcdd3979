"""Heads: golden bytes of the statement, and what opens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_vault.ledger.head import Anchored, Head, InvalidHead, open_head, seal_head

KEY = b"k" * 32
HEAD = Head("vault.test", 7, b"r" * 32, b"a" * 32, b"p" * 32, 1, 1_800_000_000_000)
numbers = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)
heads = st.builds(
    Head, st.sampled_from(["v", "vault.test"]), numbers, hashes, hashes, hashes, numbers, numbers
)

GOLDEN_STATEMENT = (
    b"strongroom/v1 head"
    b"\x00\x0avault.test"
    b"\x00\x00\x00\x00\x00\x00\x00\x07" + b"r" * 32 + b"a" * 32 + b"p" * 32 + b"\x00" * 7 + b"\x01"
    b"\x00\x00\x01\xa3\x18\x5c\x50\x00"
)


def test_the_statement_byte_by_byte() -> None:
    assert HEAD.statement() == GOLDEN_STATEMENT


@given(heads)
def test_a_head_comes_back(head: Head) -> None:
    assert open_head(seal_head(head, KEY), KEY, head.vault_id) == head


@given(heads, st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_head_does_not_open(head: Head, position: int, change: int) -> None:
    stored = bytearray(seal_head(head, KEY))
    stored[position % len(stored)] ^= change
    with pytest.raises(InvalidHead):
        open_head(bytes(stored), KEY, head.vault_id)


@pytest.mark.parametrize(
    ("stored", "key", "vault_id", "why"),
    [
        (b"", KEY, "vault.test", "not made by this vault"),
        (seal_head(HEAD, KEY), b"x" * 32, "vault.test", "not made by this vault"),
        (seal_head(HEAD, KEY), KEY, "vault.tess", "is another vault's"),
        (seal_head(HEAD, KEY), KEY, "vault", "is another vault's"),
    ],
)
def test_a_foreign_head_does_not_open(stored: bytes, key: bytes, vault_id: str, why: str) -> None:
    with pytest.raises(InvalidHead, match=why):
        open_head(stored, key, vault_id)


@given(st.builds(Anchored, numbers, hashes))
def test_an_anchored_value_comes_back(value: Anchored) -> None:
    assert len(value.encode()) == 40
    assert Anchored.decode(value.encode()) == value


@pytest.mark.parametrize("size", [0, 1, 39, 41, 80])
def test_other_bytes_are_no_anchored_value(size: int) -> None:
    assert Anchored.decode(bytes(size)) is None


def test_a_change_of_any_field_is_another_head() -> None:
    changes: list[dict[str, object]] = [
        {"vault_id": "other"},
        {"epoch": 8},
        {"root": b"x" * 32},
        {"audit": b"x" * 32},
        {"previous": b"x" * 32},
        {"loss_epoch": 2},
        {"time": 1},
    ]
    digests = {replace(HEAD, **change).anchored.digest for change in changes}  # type: ignore[arg-type]
    assert len(digests | {HEAD.anchored.digest}) == 8


def test_the_next_head_goes_on_from_this_one() -> None:
    after = HEAD.next(root=b"R" * 32, audit=b"A" * 32, time=9)
    assert after == Head("vault.test", 8, b"R" * 32, b"A" * 32, HEAD.anchored.digest, 1, 9)
    lost = HEAD.next(root=HEAD.root, audit=b"A" * 32, time=9, epoch=20, loss_epoch=20)
    assert (lost.epoch, lost.loss_epoch, lost.previous) == (20, 20, HEAD.anchored.digest)
