"""Records and states come back from bytes as they were."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import DELETED, DESTROYED, KEY, active

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.records import codec
from strongroom_vault.records.codec import RecoveryState, RegistrationState
from strongroom_vault.records.record import Active, LastAttempt, Record, StoredOprfKey

serials = st.integers(0, 2**64 - 1)
times = st.integers(0, 2**62)
small = st.integers(0, 2**32 - 1)
oprf_keys = st.builds(
    StoredOprfKey, st.binary(min_size=33, max_size=33), st.binary(), small
) | st.builds(StoredOprfKey, st.binary(min_size=33, max_size=33), st.none())
keys = st.builds(
    Active,
    key_id=st.binary(min_size=16, max_size=16),
    created_at=times,
    attempt_limit=small,
    oprf_key=oprf_keys,
    registration_record=st.binary(),
    sealed_backup_key=st.binary(),
    stretching=st.builds(Argon2id, small, small, small),
    last_attempt=st.none()
    | st.builds(LastAttempt, st.binary(min_size=33, max_size=33), st.booleans()),
    last_started_at=times,
)
states = keys | st.just(DESTROYED) | st.just(DELETED)
records = st.builds(Record, serials, serials, serials, states, serials)


@given(records)
def test_a_record_comes_back(record: Record) -> None:
    assert codec.decode_record(codec.encode_record(record)) == record


@given(keys, serials, times)
def test_states_come_back(key: Active, serial: int, expires_at: int) -> None:
    registration = RegistrationState(key.key_id, serial, key.oprf_key, key.stretching, expires_at)
    encoded = codec.encode_registration_state(registration)
    assert codec.decode_registration_state(encoded) == registration
    recovery = RecoveryState(key.key_id, serial, b"m" * 32, expires_at)
    assert codec.decode_recovery_state(codec.encode_recovery_state(recovery)) == recovery


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        (StoredOprfKey(b"public", b"wrapped", 7), b"\x0a\x06public\x12\x07wrapped\x20\x07"),
        (StoredOprfKey(b"public", None), b"\x0a\x06public\x18\x01"),
    ],
)
def test_an_oprf_key_byte_by_byte(key: StoredOprfKey, stored: bytes) -> None:
    """Fields 1, 2 and 4 for a wrapped key, 1 and 3 for one that rests in the token."""
    encoded = codec.encode_record(active(0, oprf_key=key))
    assert b"\x22" + bytes([len(stored)]) + stored in encoded


def test_a_key_that_was_never_tried_remembers_no_attempt() -> None:
    record = codec.decode_record(codec.encode_record(active(0)))
    assert isinstance(record.state, Active)
    assert record.state.last_attempt is None


def test_a_repeated_attempt_stays_final() -> None:
    """Read back as not final, it could be given back after its answer has left."""
    record = active(1, last_attempt=LastAttempt(b"e" * 33, is_final=True))
    assert codec.decode_record(codec.encode_record(record)) == record


def test_nothing_is_not_stored() -> None:
    with pytest.raises(RuntimeError, match="without a state is not stored"):
        codec.encode_record(Record())


def test_a_record_without_a_state_is_refused() -> None:
    with pytest.raises(RuntimeError, match="no known state"):
        codec.decode_record(b"")


def test_reprs_hold_no_secret() -> None:
    shown = repr(active(3)) + repr(RecoveryState(b"k" * 16, 1, b"secret-mac" * 3, 0))
    for secret in (KEY.oprf_key.wrapped, KEY.registration_record, KEY.sealed_backup_key):
        assert repr(secret)[2:-1] not in shown
    assert "secret-mac" not in shown
    assert "wrapped" not in repr(replace(KEY.oprf_key, wrapped=b"wrapped"))
