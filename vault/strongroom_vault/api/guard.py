"""What stands before every call of BackupKeyVault: capacity, access token, deadline, errors.

The order matters: a call that is refused here has counted nothing. A caller is known before their
request is read, and has no place among the calls under way before it is there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
import structlog

from strongroom_vault.api.requests import RETRY_AFTER, read_request
from strongroom_vault.api.status import DETAILS, code_of, status_details
from strongroom_vault.api.strangers import Strangers
from strongroom_vault.errors import (
    AccessTokenInvalid,
    AccessTokenMissing,
    HsmUnavailable,
    Overloaded,
    Refusal,
    StoreUnavailable,
)
from strongroom_vault.platform import traces, uncaught

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from strongroom_vault.api.auth import AccessTokens

log = structlog.get_logger()

SERVICE: Final = "/strongroom.v1.BackupKeyVault/"
SCOPES: Final[dict[str, str | None]] = {
    "GetVault": None,
    "StartRegistration": "register",
    "FinishRegistration": "register",
    "StartRecovery": "recover",
    "FinishRecovery": "recover",
    "GetKey": "read",
    "DeleteKey": "delete",
}
"""The scope that each call needs; None for the one that needs no access token."""

MAX_SECONDS: Final = 30.0
"""A call is given up after this long, or at the client's deadline. What is charged goes on."""
REQUEST_ID: Final = "request-id"
"""The trailing metadata that names a call to its caller; logs carry it too."""
REQUEST_ID_SIZE: Final = 8
_BEARER: Final = "bearer "

_account: ContextVar[str] = ContextVar("account")


def account() -> str:
    """Return the account of the call that is being handled."""
    return _account.get()


@dataclass(frozen=True, slots=True)
class Limits:
    """How many calls there may be at once.

    Attributes:
        in_flight: in all.
        in_flight_per_account: of one account.
    """

    in_flight: int
    in_flight_per_account: int


Observe: TypeAlias = "Callable[[str, str, float], None]"


def _ignore(_call: str, _outcome: str, _seconds: float) -> None:
    """Observe nothing."""


class Guard(grpc.aio.ServerInterceptor):
    """Lets through what is authenticated and fits in; turns refusals into statuses."""

    def __init__(
        self, access_tokens: AccessTokens, limits: Limits, observe: Observe = _ignore
    ) -> None:
        """Guard a service.

        Args:
            access_tokens: whom to believe.
            limits: more calls at once are refused.
            observe: told of every call: its name, its outcome, its seconds.
        """
        self._access_tokens = access_tokens
        self._limits = limits
        self._observe = observe
        self._strangers = Strangers()
        self.in_flight = 0
        self.is_draining = False
        """Whether every call is refused, because an operator wants none to begin."""
        self._by_account: Counter[str] = Counter()
        self._working: set[asyncio.Task[Any]] = set()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handler of one of our calls; bound those of other services."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None:
            return None
        if not method.startswith(SERVICE):
            return self._strangers.bounded(handler)  # type: ignore[no-any-return]
        call = method.removeprefix(SERVICE)

        async def guarded(_: object, context: Any) -> Any:  # noqa: ANN401 -- any message
            return await self._handle(handler, call, context)

        return grpc.stream_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    async def _handle(
        self,
        handler: Any,  # noqa: ANN401 -- any message
        call: str,
        context: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run the call in a task, so that whatever it raises can be looked at and answered.

        The task goes on when the caller leaves, and keeps its places until it ends: a place stands
        for work, and work that has begun is done whether somebody waits for it or not.
        """
        began = time.perf_counter()
        request_id = secrets.token_hex(REQUEST_ID_SIZE)
        structlog.contextvars.bind_contextvars(request_id=request_id, call=call)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        with traces.trace(call, request_id=request_id) as span:
            has_begun = asyncio.Event()
            task = asyncio.create_task(self._admitted(handler, SCOPES[call], context, has_begun))
            self._working.add(task)
            task.add_done_callback(self._ended)
            try:
                await asyncio.wait([task], timeout=_seconds(context))
            finally:
                if not has_begun.is_set():
                    task.cancel()  # nothing came that could be done; does nothing once it is done
            if task.done():
                error = task.exception()
            else:
                error = Overloaded("the call took too long", RETRY_AFTER)
            outcome = _outcome(error)
            span.set_attribute("outcome", outcome)
        self._observe(call, outcome, time.perf_counter() - began)
        if error is None:
            return task.result()
        if isinstance(error, HsmUnavailable | StoreUnavailable):
            log.warning("call failed", reason=error.reason, problem=str(error))
        if isinstance(error, Refusal):
            # Whoever is refused is told the same request id. Who it was stays out of the log.
            log.info("call refused", reason=error.reason)
            return await _abort(context, error, request_id)
        _log_bug(error)
        return await context.abort(grpc.StatusCode.INTERNAL, "internal error")

    async def drain(self) -> None:
        """Wait for the work of all calls, also of those whose callers have left."""
        while self._working:
            await asyncio.wait(self._working)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._working.discard(task)
        if not task.cancelled():
            task.exception()  # whoever still waits gets it; if nobody does, it is not lost noise

    async def _admitted(
        self,
        handler: Any,  # noqa: ANN401
        scope: str | None,
        context: Any,  # noqa: ANN401
        has_begun: asyncio.Event,
    ) -> Any:  # noqa: ANN401
        self._refuse_unless_room()
        if scope is None:
            self._strangers.admit(context)
            return await self._run(handler, context, has_begun)
        access = await self._access_tokens.verify(_bearer(context))
        access.require(scope)
        _account.set(access.account)
        with self._one_of_few(access.account):
            return await self._run(handler, context, has_begun)

    async def _run(
        self,
        handler: Any,  # noqa: ANN401
        context: Any,  # noqa: ANN401
        has_begun: asyncio.Event,
    ) -> Any:  # noqa: ANN401
        """Take a place once the request is there: whoever sends none must not fill the vault."""
        request = await read_request(handler, context)
        self._refuse_unless_room()
        has_begun.set()
        self.in_flight += 1
        try:
            return await handler.unary_unary(request, context)
        finally:
            self.in_flight -= 1

    def _refuse_unless_room(self) -> None:
        if self.is_draining:
            raise Overloaded("the vault takes no calls for the moment", RETRY_AFTER)
        if self.in_flight >= self._limits.in_flight:
            raise Overloaded("too many requests at once", RETRY_AFTER)

    @contextmanager
    def _one_of_few(self, account: str) -> Iterator[None]:
        """One account's calls must not fill the vault: that would be unfair to all others."""
        if self._by_account[account] >= self._limits.in_flight_per_account:
            raise Overloaded("too many requests of this account at once", RETRY_AFTER)
        self._by_account[account] += 1
        try:
            yield
        finally:
            self._by_account[account] -= 1
            if not self._by_account[account]:
                del self._by_account[account]


def _bearer(context: Any) -> str:  # noqa: ANN401
    """Return the token of the metadata `authorization: Bearer ...` (RFC 6750 section 2.1)."""
    values = [value for key, value in context.invocation_metadata() if key == "authorization"]
    if not values:
        raise AccessTokenMissing("the call carries no access token")
    if len(values) > 1 or not str(values[0]).lower().startswith(_BEARER):
        raise AccessTokenInvalid("the metadata authorization is not one Bearer token")
    return str(values[0])[len(_BEARER) :].strip()


def _seconds(context: Any) -> float:  # noqa: ANN401
    remaining = context.time_remaining()
    return MAX_SECONDS if remaining is None else min(MAX_SECONDS, float(remaining))


def _outcome(error: BaseException | None) -> str:
    """OK, the reason of a refusal, or INTERNAL: a bounded set, for metrics."""
    if error is None:
        return "OK"
    return error.reason if isinstance(error, Refusal) else "INTERNAL"


async def _abort(context: Any, refusal: Refusal, request_id: str) -> Any:  # noqa: ANN401
    trailing = ((DETAILS, status_details(refusal)), (REQUEST_ID, request_id))
    return await context.abort(code_of(refusal), str(refusal), trailing)


def _log_bug(error: BaseException) -> None:
    """Say where it happened, without any value that could be a secret."""
    where = uncaught.places(error.__traceback__)
    log.error("internal error", error=type(error).__name__, where=where)
