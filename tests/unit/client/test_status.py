"""A status becomes the error that it names. Hostile ones: in attack/test_lying_vault.py."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from strongroom import StrongroomError, UnreachableCause, errors
from strongroom.status import error_of, is_transient
from strongroom_protocol import labels
from strongroom_vault import errors as vault_errors
from strongroom_vault.api.status import status_details


class Failed(grpc.RpcError):
    """A call that failed with a code and trailing metadata."""

    def __init__(self, code: grpc.StatusCode, *metadata: tuple[str, str | bytes]) -> None:
        super().__init__()
        self._code = code
        self._metadata = metadata

    def code(self) -> grpc.StatusCode:
        return self._code

    def trailing_metadata(self) -> Any:
        return self._metadata


def failed(*details: Any, request_id: str = "") -> Failed:
    status = Status()
    for detail in details:
        status.details.add().Pack(detail)
    return Failed(
        grpc.StatusCode.ABORTED,
        ("other-bin", b"garbage"),
        (labels.STATUS_DETAILS, status.SerializeToString()),
        (labels.REQUEST_ID, request_id),
    )


def info(reason: str, **metadata: str) -> ErrorInfo:
    return ErrorInfo(reason=reason, domain="strongroom", metadata=metadata)


def test_a_wrong_password_tells_what_is_left() -> None:
    error, _ = error_of(failed(info("WRONG_PASSWORD", attempts_left="4")))
    assert isinstance(error, errors.WrongPassword)
    assert error.attempts_left == 4


def test_a_destroyed_key_tells_when_and_why() -> None:
    error, _ = error_of(
        failed(info("KEY_DESTROYED", destroyed_at="1800000000500", cause="attempt_limit"))
    )
    assert isinstance(error, errors.KeyDestroyed)
    assert error.destroyed_at == datetime(2027, 1, 15, 8, 0, 0, 500_000, tzinfo=UTC)
    assert error.cause == "attempt_limit"


@pytest.mark.parametrize("moment", ["", "0", "-5", "soon", "9" * 19, "9" * 20, "\u0661"])
def test_a_time_that_cannot_be_read_is_not_told(moment: str) -> None:
    error, _ = error_of(failed(info("KEY_DESTROYED", destroyed_at=moment, cause="attempt_limit")))
    assert isinstance(error, errors.KeyDestroyed)
    assert error.destroyed_at is None


def test_the_delay_that_a_vault_asks_for() -> None:
    retry = RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000))
    for details in ((info("WAIT"), retry), (retry, info("WAIT"))):
        error, delay = error_of(failed(*details))
        assert isinstance(error, errors.MustWait)
        assert delay == 1.5
    backwards = RetryInfo(retry_delay=Duration(seconds=-1))
    assert error_of(failed(info("OVERLOADED"), backwards))[1] == 0


def test_another_domain_says_nothing() -> None:
    other = ErrorInfo(reason="WRONG_PASSWORD", domain="example")
    assert type(error_of(failed(other))[0]) is errors.VaultProtocolError


@pytest.mark.parametrize("reason", ["SCOPE_MISSING", "HSM_UNAVAILABLE", "ROLLBACK_DETECTED"])
def test_an_error_for_operators_names_the_call(reason: str) -> None:
    error, _ = error_of(failed(info(reason), request_id="0123456789abcdef"))
    assert error.request_id == "0123456789abcdef"
    assert error.hint.endswith("The vault's log names this call 0123456789abcdef.")


def test_an_error_for_the_person_does_not() -> None:
    error, _ = error_of(failed(info("NO_KEY"), request_id="0123456789abcdef"))
    assert error.request_id == "0123456789abcdef"
    assert error.hint == errors.NoKey.hint


@pytest.mark.parametrize("request_id", ["", "0123", "0123456789ABCDEF", "0123456789abcdef0"])
def test_what_is_not_a_name_of_a_call_is_not_told(request_id: str) -> None:
    assert error_of(failed(info("SCOPE_MISSING"), request_id=request_id))[0].request_id == ""


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (vault_errors.AccessTokenExpired("over"), errors.AccessTokenExpired),
        (vault_errors.ScopeMissing("recover"), errors.ScopeMissing),
        (vault_errors.NoKey("none"), errors.NoKey),
        (vault_errors.WrongPassword(3), errors.WrongPassword),
        (
            vault_errors.KeyDestroyed(12, vault_errors.Cause.ATTEMPT_LIMIT),
            errors.KeyDestroyed,
        ),
    ],
)
def test_both_ends_agree(refusal: vault_errors.Refusal, kind: type[Exception]) -> None:
    call = Failed(grpc.StatusCode.ABORTED, (labels.STATUS_DETAILS, status_details(refusal)))
    assert type(error_of(call)[0]) is kind


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (errors.VaultBusy(), True),
        (errors.HsmUnavailable(), True),
        (errors.StoreUnavailable(), True),
        (errors.VaultUnreachable(), True),
        (errors.WrongPassword(3), False),
        (errors.RollbackDetected(), False),
        (errors.VaultInternalError(), False),
    ],
)
def test_what_passes_by_itself(error: StrongroomError, passes: object) -> None:
    assert is_transient(error) is passes


def test_a_lasting_cause_does_not_pass() -> None:
    unreachable = errors.VaultUnreachable()
    unreachable.cause = UnreachableCause.CERTIFICATE_EXPIRED
    assert not is_transient(unreachable)
