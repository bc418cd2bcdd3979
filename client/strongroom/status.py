"""gRPC statuses as errors: by the reason in google.rpc.ErrorInfo, else by the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from strongroom import errors
from strongroom.silent_grpc import grpc
from strongroom_protocol.convert import datetime_of_ms
from strongroom_protocol.labels import ERROR_DOMAIN, REQUEST_ID, STATUS_DETAILS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from strongroom_protocol.errors import StrongroomError

_REQUEST_ID: Final = re.compile(r"[0-9a-f]{16}")
_WORD: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_MAX_DIGITS: Final = 19
"""Of a number of 64 bits; Python refuses to read some thousands."""

_BY_REASON: Final[dict[str, Callable[[Mapping[str, str], float], StrongroomError]]] = {
    "ACCESS_TOKEN_MISSING": lambda _m, _r: errors.AccessTokenMissing(),
    "ACCESS_TOKEN_INVALID": lambda _m, _r: errors.AccessTokenInvalid(),
    "ACCESS_TOKEN_EXPIRED": lambda _m, _r: errors.AccessTokenExpired(),
    "SCOPE_MISSING": lambda m, _r: errors.ScopeMissing(_word(m.get("scope"))),
    "MALFORMED": lambda m, _r: errors.MalformedRequest(_word(m.get("field"))),
    "NO_KEY": lambda _m, _r: errors.NoKey(),
    "WRONG_PASSWORD": lambda m, _r: errors.WrongPassword(_count(m.get("attempts_left"))),
    "KEY_DESTROYED": lambda m, _r: errors.KeyDestroyed(
        _moment(m.get("destroyed_at")), _word(m.get("cause"))
    ),
    "KEY_REPLACED": lambda _m, _r: errors.KeyReplaced(),
    "STATE_EXPIRED": lambda _m, _r: errors.StateExpired(),
    "WAIT": lambda _m, r: errors.MustWait(r),
    "OVERLOADED": lambda _m, _r: errors.VaultBusy(),
    "HSM_UNAVAILABLE": lambda _m, _r: errors.HsmUnavailable(),
    "STORE_UNAVAILABLE": lambda _m, _r: errors.StoreUnavailable(),
    "ROLLBACK_DETECTED": lambda _m, _r: errors.RollbackDetected(),
}

_BY_CODE: Final[dict[grpc.StatusCode, type[StrongroomError]]] = {
    grpc.StatusCode.UNAVAILABLE: errors.VaultUnreachable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.VaultUnreachable,
    grpc.StatusCode.CANCELLED: errors.VaultUnreachable,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.MessageTooLarge,
    grpc.StatusCode.INTERNAL: errors.VaultInternalError,
    grpc.StatusCode.UNKNOWN: errors.VaultInternalError,
}

_PASSING: Final = (
    errors.VaultBusy,
    errors.HsmUnavailable,
    errors.StoreUnavailable,
)
"""Errors that pass by themselves: the same request may be sent again. See also `is_transient`."""

_FOR_OPERATORS: Final = (
    errors.AccessTokenInvalid,
    errors.ScopeMissing,
    errors.MalformedRequest,
    errors.HsmUnavailable,
    errors.StoreUnavailable,
    errors.RollbackDetected,
    errors.VaultInternalError,
    errors.VaultProtocolError,
)
"""Errors that somebody other than the person who gets them has to look into."""


def error_of(failed: grpc.RpcError) -> tuple[StrongroomError, float]:
    """Return the error of a failed call and the delay that the vault asks for, in seconds."""
    failed_call: Any = failed  # grpc's and grpc.aio's errors both have these two methods
    metadata = tuple(failed_call.trailing_metadata() or ())
    info, delay = _details(metadata)
    error: StrongroomError
    if info is not None and info.reason in _BY_REASON:
        error = _BY_REASON[info.reason](info.metadata, delay)
    elif info is not None:
        error = errors.VaultProtocolError()
    else:
        error = _BY_CODE.get(failed_call.code(), errors.VaultProtocolError)()
    error.request_id = _request_id(metadata)
    if error.request_id and isinstance(error, _FOR_OPERATORS):
        error.hint = f"{error.hint} The vault's log names this call {error.request_id}."
    return error, delay


def is_transient(error: StrongroomError) -> bool:
    """Whether sending the same request again may help."""
    if isinstance(error, errors.VaultUnreachable):
        return not error.cause.is_lasting
    return isinstance(error, _PASSING)


def _request_id(metadata: tuple[tuple[str, Any], ...]) -> str:
    """Return what the vault calls the call, if it is such a name (docs/protocol.md 8.1)."""
    ids = (value for key, value in metadata if key == REQUEST_ID and isinstance(value, str))
    return next(filter(_REQUEST_ID.fullmatch, ids), "")


def _word(text: str | None) -> str:
    """Return a name that the vault sent; "unknown" for anything else, which may be hostile."""
    return text if text is not None and _WORD.fullmatch(text) else "unknown"


def _details(metadata: Any) -> tuple[ErrorInfo | None, float]:  # noqa: ANN401 -- grpc's own
    info, delay = None, 0.0
    for key, value in metadata:
        if key != STATUS_DETAILS:
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
    if detail.Unpack(error_info) and error_info.domain == ERROR_DOMAIN:
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
        return datetime_of_ms(_count(milliseconds))
    except ValueError:
        return None
