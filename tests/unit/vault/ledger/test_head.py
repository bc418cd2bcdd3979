"""Heads: golden bytes of every authenticated statement, what opens, and what is newest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_vault.ledger.audit import NO_EVENT, extend
from strongroom_vault.ledger.group_commit import check_newest
from strongroom_vault.ledger.head import Anchored, Head, InvalidHead, open_head, seal_head
from strongroom_vault.records.events import Event, EventKind

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


def test_an_event_byte_by_byte() -> None:
    event = Event(EventKind.ATTEMPT, 5, b"\xab" * 32, (("serial", 3),))
    assert event.body() == (
        b'{"event":"attempt","record":"' + b"ab" * 32 + b'","serial":3,"time":5}'
    )
    assert Event(EventKind.INITIALISED, 5).body() == b'{"event":"initialised","time":5}'


def test_the_audit_chain() -> None:
    one = extend(NO_EVENT, [b"first"])
    assert extend(NO_EVENT, [b"first", b"second"]) == extend(one, [b"second"])
    assert one.hex() == "44ec7e813a4448dc278c381c57bbb86a7091403c7113a645490d6cefbebed595"
    assert extend(NO_EVENT, []) == NO_EVENT


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
    ("stored", "key", "vault_id"),
    [
        (b"", KEY, "vault.test"),
        (seal_head(HEAD, KEY), b"x" * 32, "vault.test"),
        (seal_head(HEAD, KEY), KEY, "vault.tess"),
        (seal_head(HEAD, KEY), KEY, "vault"),
    ],
)
def test_a_foreign_head_does_not_open(stored: bytes, key: bytes, vault_id: str) -> None:
    with pytest.raises(InvalidHead):
        open_head(stored, key, vault_id)


@given(st.builds(Anchored, numbers, hashes))
def test_an_anchored_value_comes_back(value: Anchored) -> None:
    assert len(value.encode()) == 40
    assert Anchored.decode(value.encode()) == value


@pytest.mark.parametrize("size", [0, 1, 39, 41, 80])
def test_other_bytes_are_no_anchored_value(size: int) -> None:
    assert Anchored.decode(bytes(size)) is None


class TestNewest:
    def test_the_same(self) -> None:
        assert check_newest(HEAD, HEAD.anchored) == HEAD.anchored

    def test_one_ahead_of_the_anchored_head(self) -> None:
        anchored = Anchored(6, HEAD.previous)
        assert check_newest(HEAD, anchored) == anchored

    @pytest.mark.parametrize(
        ("anchored", "words"),
        [
            (None, "no anchor"),
            (Anchored(6, b"x" * 32), "older than the database by 1 epochs"),
            (Anchored(5, HEAD.previous), "older than the database by 2 epochs"),
            (Anchored(8, b"x" * 32), "1 epochs are missing"),
            (Anchored(107, b"x" * 32), "100 epochs are missing"),
            (Anchored(7, b"x" * 32), "different commits"),
        ],
    )
    def test_anything_else(self, anchored: Anchored | None, words: str) -> None:
        with pytest.raises(InvalidHead, match=words):
            check_newest(HEAD, anchored)

    def test_a_change_of_any_field_is_another_head(self) -> None:
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
