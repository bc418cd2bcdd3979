"""One table from refusals to gRPC statuses, and the details that clients decide by."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from strongroom_vault.api.status import CODES, code_of, status_details
from strongroom_vault.errors import (
    KeyNotFound,
    Overloaded,
    Refusal,
    RetryLater,
    Wait,
    WrongPassword,
)


def with_reason(kind: type[Refusal]) -> set[type[Refusal]]:
    """The kinds of refusals below this one that have a reason of their own."""
    below = {one for child in kind.__subclasses__() for one in with_reason(child)}
    return below | ({kind} if "reason" in vars(kind) else set())


def test_every_kind_of_refusal_has_its_code() -> None:
    assert set(CODES) == with_reason(Refusal)


def test_a_kind_without_a_row_has_the_code_of_its_base() -> None:
    assert code_of(KeyNotFound("gone", 1.0)) is StatusCode.UNAVAILABLE


def test_the_details_of_a_refusal() -> None:
    status = Status.FromString(status_details(WrongPassword(7)))
    assert (status.code, status.message) == (7, "wrong password, 7 attempts left")
    (detail,) = status.details
    info = ErrorInfo()
    assert detail.Unpack(info)
    assert info == ErrorInfo(
        reason="WRONG_PASSWORD", domain="strongroom", metadata={"attempts_left": "7"}
    )


@pytest.mark.parametrize(
    ("refusal", "delay"),
    [
        (Overloaded("busy", 1.5), Duration(seconds=1, nanos=500_000_000)),
        (Wait("later", 3600), Duration(seconds=3600)),
    ],
)
def test_a_temporary_refusal_says_when_to_retry(refusal: RetryLater, delay: Duration) -> None:
    info, retry = ErrorInfo(), RetryInfo()
    first, second = Status.FromString(status_details(refusal)).details
    assert first.Unpack(info)
    assert info.reason == refusal.reason
    assert second.Unpack(retry)
    assert retry.retry_delay == delay
