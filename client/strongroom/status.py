"""gRPC statuses as errors: by the reason in google.rpc.ErrorInfo, else by the code."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from strongroom import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import grpc

    from strongroom.errors import StrongroomError

DOMAIN: Final = "strongroom"
DETAILS: Final = "grpc-status-details-bin"
_MAX_DIGITS: Final = 19
"""Of a number of 64 bits; Python refuses to read some thousands."""

_BY_REASON: Final[dict[str, Callable[[Mapping[str, str], float], StrongroomError]]] = {
    "ACCESS_TOKEN_MISSING": lambda _m, _r: errors.AccessTokenMissing(),
    "ACCESS_TOKEN_INVALID": lambda _m, _r: errors.AccessTokenInvalid(),
    "ACCESS_TOKEN_EXPIRED": lambda _m, _r: errors.AccessTokenExpired(),
    "SCOPE_MISSING": lambda m, _r: errors.ScopeMissing(m.get("scope", "")),
    "MALFORMED": lambda m, _r: errors.MalformedRequest(m.get("field", "")),
    "NO_KEY": lambda _m, _r: errors.NoKey(),
    "WRONG_PASSWORD": lambda m, _r: errors.WrongPassword(_count(m.get("attempts_left"))),
    "KEY_DESTROYED": lambda m, _r: errors.KeyDestroyed(
        _moment(m.get("destroyed_at")), m.get("cause", "")
    ),
    "KEY_REPLACED": lambda _m, _r: errors.KeyReplaced(),
    "STATE_EXPIRED": lambda _m, _r: errors.StateExpired(),
    "WAIT": lambda _m, r: errors.MustWait(r),
    "OVERLOADED": lambda _m, _r: errors.VaultBusy(),
    "TOKEN_UNAVAILABLE": lambda _m, _r: errors.TokenUnavailable(),
    "STORE_UNAVAILABLE": lambda _m, _r: errors.StoreUnavailable(),
    "ROLLBACK_DETECTED": lambda _m, _r: errors.RollbackDetected(),
}

_BY_CODE: Final[dict[StatusCode, type[StrongroomError]]] = {
    StatusCode.UNAVAILABLE: errors.VaultUnreachable,
    StatusCode.DEADLINE_EXCEEDED: errors.VaultUnreachable,
    StatusCode.CANCELLED: errors.VaultUnreachable,
    StatusCode.RESOURCE_EXHAUSTED: errors.MessageTooLarge,
    StatusCode.INTERNAL: errors.VaultInternalError,
    StatusCode.UNKNOWN: errors.VaultInternalError,
}

_PASSING: Final = (
    errors.VaultUnreachable,
    errors.VaultBusy,
    errors.TokenUnavailable,
    errors.StoreUnavailable,
)
"""Errors that pass by themselves: the same request may be sent again."""


def error_of(failed: grpc.RpcError) -> tuple[StrongroomError, float]:
    """Return the error of a failed call and the delay that the vault asks for, in seconds."""
    failed_call: Any = failed  # grpc's and grpc.aio's errors both have these two methods
    info, delay = _details(failed_call.trailing_metadata() or ())
    if info is not None and info.reason in _BY_REASON:
        return _BY_REASON[info.reason](info.metadata, delay), delay
    if info is not None:
        return errors.VaultProtocolError(), delay
    return _BY_CODE.get(failed_call.code(), errors.VaultProtocolError)(), delay


def is_passing(error: StrongroomError) -> bool:
    """Whether sending the same request again may help."""
    return isinstance(error, _PASSING)


def _details(metadata: Any) -> tuple[ErrorInfo | None, float]:  # noqa: ANN401 -- grpc's own
    info, delay = None, 0.0
    for key, value in metadata:
        if key != DETAILS:
            continue
        try:
            for detail in Status.FromString(value).details:
                info, delay = _detail(detail, info, delay)
        except DecodeError:
            return None, 0.0
    return info, delay


def _detail(
    detail: Any,  # noqa: ANN401 -- google.protobuf.Any
    info: ErrorInfo | None,
    delay: float,
) -> tuple[ErrorInfo | None, float]:
    error_info, retry_info = ErrorInfo(), RetryInfo()
    if detail.Unpack(error_info) and error_info.domain == DOMAIN:
        return error_info, delay
    if detail.Unpack(retry_info):
        return info, max(0.0, retry_info.retry_delay.ToMilliseconds() / 1000)
    return info, delay


def _count(text: str | None) -> int:
    if text is None or not text.isascii() or not text.isdigit() or len(text) > _MAX_DIGITS:
        return 0
    return int(text)


def _moment(milliseconds: str | None) -> datetime | None:
    if _count(milliseconds) == 0:
        return None
    try:
        return datetime.fromtimestamp(_count(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
