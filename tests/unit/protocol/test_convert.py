"""What one end writes, the other reads; what nobody can have written is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol import convert
from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.errors import Cause

NUMBERS = st.integers(0, 2**32 - 1)
MOMENTS_MS = st.integers(0, 253_402_300_799_999)  # to the end of the year 9999


def test_there_is_one_suite() -> None:
    assert convert.SUITE == 1
    assert convert.has_suite(pb.GetKeyRequest(suite=pb.SUITE_OPAQUE_3DH_P256_SHA256))
    assert not convert.has_suite(pb.GetKeyRequest())
    later = pb.GetKeyRequest()
    later.MergeFromString(b"\x08\x02")  # a suite that this version does not know
    assert not convert.has_suite(later)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_argon2id_both_ways(memory_kib: int, passes: int, lanes: int) -> None:
    parameters = Argon2id(memory_kib, passes, lanes)
    message = convert.argon2id_to_proto(parameters)
    assert (message.memory_kib, message.passes, message.lanes) == (memory_kib, passes, lanes)
    assert convert.argon2id_from_proto(message) == parameters


@given(MOMENTS_MS)
def test_a_time_of_the_vault_is_the_same_to_an_application(milliseconds: int) -> None:
    moment = convert.datetime_of_timestamp(convert.timestamp_of_ms(milliseconds))
    assert moment.tzinfo is UTC
    assert round(moment.timestamp() * 1000) == milliseconds
    assert abs((convert.datetime_of_ms(milliseconds) - moment).total_seconds()) < 0.0005


def test_a_known_time() -> None:
    moment = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    assert convert.timestamp_of_ms(1_800_000_000_250) == Timestamp(
        seconds=1_800_000_000, nanos=250_000_000
    )
    assert convert.datetime_of_ms(1_800_000_000_000) == moment
    assert convert.datetime_of_timestamp(Timestamp(seconds=1_800_000_000)) == moment


@pytest.mark.parametrize(
    "timestamp", [Timestamp(seconds=2**62), Timestamp(seconds=-(2**62)), Timestamp(nanos=-5)]
)
def test_a_time_that_no_datetime_can_be(timestamp: Timestamp) -> None:
    with pytest.raises(ValueError, match=r"."):
        convert.datetime_of_timestamp(timestamp)


@pytest.mark.parametrize("milliseconds", [10**15, 10**18, 2**80])
def test_a_number_that_no_datetime_can_be(milliseconds: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        convert.datetime_of_ms(milliseconds)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_of_the_vault_has_a_number_that_a_client_knows(cause: Cause) -> None:
    number = convert.cause_to_proto(cause.value)
    assert number != pb.DESTRUCTION_CAUSE_UNSPECIFIED
    assert convert.cause_from_proto(number) == cause.value


def test_every_number_has_its_cause() -> None:
    assert convert.cause_to_proto("attempt_limit") == pb.DESTRUCTION_CAUSE_ATTEMPT_LIMIT
    causes = {convert.cause_from_proto(number) for number in pb.DestructionCause.values()}
    assert causes == {"unknown"} | {cause.value for cause in Cause}
    with pytest.raises(KeyError):
        convert.cause_to_proto("unknown")
