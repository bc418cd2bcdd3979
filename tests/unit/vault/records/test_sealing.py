"""Seals open for what they were made for, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.labels import ROW_MULTIPLE
from strongroom_vault.records.sealing import OVERHEAD, InvalidSeal, RowSealer, Sealer

KEY, OTHER_KEY = bytes(32), bytes(31) + b"\x01"


@given(st.binary(max_size=2000), st.binary(max_size=64))
def test_a_seal_opens(plaintext: bytes, associated_data: bytes) -> None:
    sealed = Sealer(KEY).seal(plaintext, associated_data)
    assert len(sealed) == len(plaintext) + OVERHEAD
    assert Sealer(KEY).open(sealed, associated_data) == plaintext


@given(st.binary(max_size=100), st.integers(min_value=0), st.integers(1, 255))
def test_a_changed_seal_does_not(plaintext: bytes, position: int, change: int) -> None:
    sealed = bytearray(Sealer(KEY).seal(plaintext, b"id"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(InvalidSeal):
        Sealer(KEY).open(bytes(sealed), b"id")


@pytest.mark.parametrize("size", range(OVERHEAD))
def test_too_short(size: int) -> None:
    with pytest.raises(InvalidSeal, match="too short"):
        Sealer(KEY).open(bytes(size), b"id")


def test_another_key_or_purpose() -> None:
    sealed = Sealer(KEY).seal(b"plaintext", b"id")
    with pytest.raises(InvalidSeal, match="does not verify"):
        Sealer(OTHER_KEY).open(sealed, b"id")
    with pytest.raises(InvalidSeal):
        Sealer(KEY).open(sealed, b"di")


def test_every_seal_has_a_key_of_its_own() -> None:
    seals = {Sealer(KEY).seal(b"the same", b"") for _ in range(100)}
    assert len({seal[:32] for seal in seals}) == 100


@given(st.binary(max_size=3000))
def test_a_row_comes_back_from_its_padding(plaintext: bytes) -> None:
    row = RowSealer(KEY).seal(plaintext, b"id")
    assert len(row) % ROW_MULTIPLE == 0
    assert RowSealer(KEY).open(row, b"id") == plaintext


def test_an_ordinary_record_fills_one_row() -> None:
    assert len(RowSealer(KEY).seal(bytes(ROW_MULTIPLE - OVERHEAD - 4), b"id")) == ROW_MULTIPLE
