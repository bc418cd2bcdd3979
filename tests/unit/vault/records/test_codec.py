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
keys = st.builds(
    Active,
    key_id=st.binary(min_size=16, max_size=16),
    created_at=times,
    attempt_limit=small,
    oprf_key=st.builds(StoredOprfKey, st.binary(min_size=33, max_size=33), st.binary()),
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


def test_nothing_is_not_stored() -> None:
    with pytest.raises(RuntimeError):
        codec.encode_record(Record())


def test_a_record_without_a_state_is_refused() -> None:
    with pytest.raises(RuntimeError):
        codec.decode_record(b"")


def test_reprs_hold_no_secret() -> None:
    shown = repr(active(3)) + repr(RecoveryState(b"k" * 16, 1, b"secret-mac" * 3, 0))
    for secret in (KEY.oprf_key.wrapped, KEY.registration_record, KEY.sealed_backup_key):
        assert repr(secret)[2:-1] not in shown
    assert "secret-mac" not in shown
    assert "wrapped" not in repr(replace(KEY.oprf_key, wrapped=b"wrapped"))
