"""The one table from refusals to gRPC statuses with google.rpc.ErrorInfo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from strongroom_protocol.labels import ERROR_DOMAIN
from strongroom_vault import errors
from strongroom_vault.errors import Refusal, RetryLater

if TYPE_CHECKING:
    from google.protobuf.message import Message

CODES: Final[dict[type[Refusal], StatusCode]] = {
    errors.AccessTokenMissing: StatusCode.UNAUTHENTICATED,
    errors.AccessTokenInvalid: StatusCode.UNAUTHENTICATED,
    errors.AccessTokenExpired: StatusCode.UNAUTHENTICATED,
    errors.ScopeMissing: StatusCode.PERMISSION_DENIED,
    errors.Malformed: StatusCode.INVALID_ARGUMENT,
    errors.NoKey: StatusCode.NOT_FOUND,
    errors.WrongPassword: StatusCode.PERMISSION_DENIED,
    errors.KeyDestroyed: StatusCode.FAILED_PRECONDITION,
    errors.KeyReplaced: StatusCode.ABORTED,
    errors.StateExpired: StatusCode.ABORTED,
    errors.Wait: StatusCode.RESOURCE_EXHAUSTED,
    errors.Overloaded: StatusCode.UNAVAILABLE,
    errors.HsmUnavailable: StatusCode.UNAVAILABLE,
    errors.StoreUnavailable: StatusCode.UNAVAILABLE,
    errors.RollbackDetected: StatusCode.UNAVAILABLE,
}


def code_of(refusal: Refusal) -> StatusCode:
    """Return the gRPC code of a refusal."""
    return next(CODES[kind] for kind in type(refusal).__mro__ if kind in CODES)


def status_details(refusal: Refusal) -> bytes:
    """Return the google.rpc.Status for the trailing metadata `grpc-status-details-bin`."""
    details: list[Message] = [
        ErrorInfo(reason=refusal.reason, domain=ERROR_DOMAIN, metadata=refusal.metadata)
    ]
    if isinstance(refusal, RetryLater):
        delay = Duration()
        delay.FromMilliseconds(round(refusal.retry_after * 1000))
        details.append(RetryInfo(retry_delay=delay))
    code: int = code_of(refusal).value[0]
    packed = [_packed(detail) for detail in details]
    return bytes(Status(code=code, message=str(refusal), details=packed).SerializeToString())


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed
