"""Requests and answers of a client, message by message. Lies: in attack/test_lying_vault.py."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from strongroom import requests, wire
from strongroom.errors import VaultProtocolError
from strongroom_protocol.answers import RecoveryStarted, RegistrationStarted
from strongroom_protocol.convert import SUITE
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from google.protobuf.message import Message

POINT, KEY_ID = GENERATOR.encode(), b"k" * 16
STRETCHING, ARGON2ID = Argon2id(65536, 3, 4), pb.Argon2id(memory_kib=65536, passes=3, lanes=4)
SECONDS = Timestamp(seconds=1_800_000_000, nanos=500_000_000)
MOMENT = datetime(2027, 1, 15, 8, 0, 0, 500_000, tzinfo=UTC)
ACTIVE = pb.GetKeyResponse.Active(
    key_id=KEY_ID, attempt_limit=10, attempts_left=9, created_at=SECONDS
)

REQUESTS: list[tuple[requests.Request[Any], Message]] = [
    (requests.GetVault(), pb.GetVaultRequest(suite=SUITE)),
    (
        requests.StartRegistration(POINT),
        pb.StartRegistrationRequest(suite=SUITE, registration_request=POINT),
    ),
    (
        requests.FinishRegistration(b"state", b"record", b"sealed", 7),
        pb.FinishRegistrationRequest(
            suite=SUITE,
            registration_state=b"state",
            registration_record=b"record",
            sealed_backup_key=b"sealed",
            attempt_limit=7,
        ),
    ),
    (requests.StartRecovery(b"ke1"), pb.StartRecoveryRequest(suite=SUITE, ke1=b"ke1")),
    (
        requests.FinishRecovery(b"state", b"ke3"),
        pb.FinishRecoveryRequest(suite=SUITE, recovery_state=b"state", ke3=b"ke3"),
    ),
    (requests.GetKey(), pb.GetKeyRequest(suite=SUITE)),
    (requests.DeleteKey(), pb.DeleteKeyRequest(suite=SUITE)),
]

ANSWERS: list[tuple[Message, object]] = [
    (
        pb.GetVaultResponse(
            suite=SUITE,
            vault_id="vault.test",
            identity_public_key=POINT,
            stretching=ARGON2ID,
            attempt_limit=10,
            minimum_attempt_limit=3,
            maximum_attempt_limit=1000,
        ),
        requests.VaultInfo("vault.test", POINT, STRETCHING, 10, 3, 1000),
    ),
    (
        pb.StartRegistrationResponse(
            suite=SUITE,
            registration_response=bytes(66),
            key_id=KEY_ID,
            registration_state=b"s" * 1024,
            stretching=ARGON2ID,
        ),
        RegistrationStarted(bytes(66), KEY_ID, b"s" * 1024, STRETCHING),
    ),
    (
        pb.FinishRegistrationResponse(
            suite=SUITE, key_id=KEY_ID, attempt_limit=10, attempts_left=10, created_at=SECONDS
        ),
        requests.Registered(KEY_ID, 10, 10, MOMENT),
    ),
    (
        pb.StartRecoveryResponse(
            suite=SUITE,
            ke2=bytes(259),
            key_id=KEY_ID,
            recovery_state=b"s",
            attempts_left=0,
            stretching=ARGON2ID,
        ),
        RecoveryStarted(bytes(259), KEY_ID, b"s", 0, STRETCHING),
    ),
    (pb.FinishRecoveryResponse(suite=SUITE, sealed_backup_key=bytes(60)), bytes(60)),
    (
        pb.GetKeyResponse(suite=SUITE, active=ACTIVE),
        requests.ActiveKey(KEY_ID, 10, 9, MOMENT, None, None),
    ),
    (pb.GetKeyResponse(suite=SUITE, absent=pb.GetKeyResponse.Absent()), None),
    (pb.DeleteKeyResponse(suite=SUITE), None),
]


@pytest.mark.parametrize(("request_", "message"), REQUESTS)
def test_a_request(request_: requests.Request[Any], message: Message) -> None:
    assert wire.encode(request_) == message


def test_every_request_has_its_message() -> None:
    encoded = {type(wire.encode(request)) for request, _ in REQUESTS}
    calls = pb.DESCRIPTOR.services_by_name["BackupKeyVault"].methods
    assert {kind.DESCRIPTOR for kind in encoded} == {call.input_type for call in calls}


@pytest.mark.parametrize(("message", "answer"), ANSWERS)
def test_an_answer(message: Message, answer: object) -> None:
    assert wire.decode(message) == answer


@pytest.mark.parametrize("message", [message for message, _ in ANSWERS])
def test_an_answer_of_another_suite_is_refused(message: Any) -> None:
    other = type(message)()
    other.CopyFrom(message)
    other.suite = pb.SUITE_UNSPECIFIED
    with pytest.raises(VaultProtocolError, match="another suite"):
        wire.decode(other)


def test_what_a_later_vault_tells_of_a_key() -> None:
    active = pb.GetKeyResponse.Active()
    active.CopyFrom(ACTIVE)
    active.wait_until.CopyFrom(SECONDS)
    active.stretching.CopyFrom(ARGON2ID)
    assert wire.decode(pb.GetKeyResponse(suite=SUITE, active=active)) == requests.ActiveKey(
        KEY_ID, 10, 9, MOMENT, MOMENT, STRETCHING
    )


@pytest.mark.parametrize(
    ("cause", "name"),
    [(pb.DESTRUCTION_CAUSE_ATTEMPT_LIMIT, "attempt_limit"), (0, "unknown"), (99, "unknown")],
)
def test_a_destroyed_key(cause: Any, name: str) -> None:
    destroyed = pb.GetKeyResponse.Destroyed(destroyed_at=SECONDS, cause=cause)
    answer = wire.decode(pb.GetKeyResponse(suite=SUITE, destroyed=destroyed))
    assert answer == requests.DestroyedKey(MOMENT, name)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"vault_id": "Vault"}, "64 characters"),
        ({"vault_id": "v" * 65}, "64 characters"),
        ({"identity_public_key": POINT[:-1]}, "not a point of P-256"),
        ({"maximum_attempt_limit": 1001}, "more attempts than there can be"),
    ],
)
def test_parameters_that_no_vault_has(changes: dict[str, Any], sentence: str) -> None:
    message = copy.deepcopy(ANSWERS[0][0])
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(VaultProtocolError, match=sentence):
        wire.decode(message)


def test_a_time_that_does_not_exist_is_refused() -> None:
    message = pb.FinishRegistrationResponse(
        suite=SUITE,
        key_id=KEY_ID,
        attempt_limit=10,
        attempts_left=10,
        created_at=Timestamp(seconds=2**62),
    )
    with pytest.raises(VaultProtocolError, match="a time that does not exist"):
        wire.decode(message)
