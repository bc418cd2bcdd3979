"""What stands before every call of BackupKeyVault: capacity, access token, deadline, errors.

Six steps, numbered where they are taken: room, access token, scope, a place of the account, the
request, a place among all calls. A call that is refused on the way has charged nothing. From the
last step on the work goes on to its end, also when the caller leaves or the time is up, and keeps
its places until then: a place stands for work, not for somebody who waits.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import grpc
import structlog

from strongroom_protocol.labels import REQUEST_ID, STATUS_DETAILS
from strongroom_vault.api.anonymous import AnonymousCalls
from strongroom_vault.api.caller import ANONYMOUS, Caller
from strongroom_vault.api.requests import RETRY_AFTER, read_request
from strongroom_vault.api.status import code_of, status_details
from strongroom_vault.errors import (
    AccessTokenInvalid,
    AccessTokenMissing,
    HsmUnavailable,
    Overloaded,
    Refusal,
    StoreUnavailable,
)
from strongroom_vault.platform import traces, uncaught
from strongroom_vault.platform.tasks import TaskGroup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from google.protobuf.message import Message

    from strongroom_vault.api.auth import AccessTokens
    from strongroom_vault.api.grpc_types import Context, Handler

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
"""A caller is answered after this long, or at its deadline. What is charged goes on."""
REQUEST_ID_SIZE: Final = 8
_BEARER: Final = "bearer "


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
    """Admits authenticated calls while there is room; turns refusals into statuses."""

    def __init__(
        self, access_tokens: AccessTokens, limits: Limits, observe: Observe = _ignore
    ) -> None:
        """Guard a service.

        Args:
            access_tokens: verifies who calls.
            limits: more calls at once are refused.
            observe: called for every call with its name, its outcome, its seconds.
        """
        self._access_tokens = access_tokens
        self._limits = limits
        self._observe = observe
        self._anonymous = AnonymousCalls()
        self.in_flight = 0
        self.is_draining = False
        """Whether every new call is refused, because an operator drains the vault."""
        self._by_account: Counter[str] = Counter()
        self._working = TaskGroup()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Wrap the handler of one of our calls; bound those of other services."""
        # This runs when the headers are there, before the request: grpcio itself would read that
        # first, however long it takes. So every call is stream-unary for gRPC
        # (docs/decisions/0016).
        handler = cast("Handler | None", await continuation(handler_call_details))
        method = handler_call_details.method
        if handler is None:
            return None
        if not method.startswith(SERVICE):
            return self._anonymous.bounded(handler)
        call = method.removeprefix(SERVICE)

        async def guarded(_: object, context: Context) -> Message | None:
            return await self._handle(handler, call, context)

        return grpc.stream_unary_rpc_method_handler(guarded, None, handler.response_serializer)

    async def drain(self) -> None:
        """Wait for the work of all calls, also of those whose callers have left."""
        await self._working.drain()

    async def _handle(self, handler: Handler, call: str, context: Context) -> Message | None:
        """Run the call in a task of its own, and answer whatever comes of it."""
        began = time.perf_counter()
        request_id = secrets.token_hex(REQUEST_ID_SIZE)
        structlog.contextvars.bind_contextvars(request_id=request_id, call=call)
        context.set_trailing_metadata(((REQUEST_ID, request_id),))
        with traces.trace(call, request_id=request_id) as span:
            # gRPC cancels this handler when its caller leaves. The task goes on: an attempt that is
            # charged must be evaluated, or given back.
            has_begun = asyncio.Event()
            task = self._working.start(self._admit(handler, SCOPES[call], context, has_begun))
            try:
                await asyncio.wait([task], timeout=_seconds(context))
            finally:
                # Before the last step nothing is charged. A caller that sends no request must not
                # keep a place of its account until the request is late.
                if not has_begun.is_set():
                    task.cancel()  # nothing to cancel once it is done
            error = task.exception() if task.done() else _too_slow()
            outcome = _outcome(error)
            span.set_attribute("outcome", outcome)
        self._observe(call, outcome, time.perf_counter() - began)
        if error is None:
            return task.result()
        await _refuse(context, error, request_id)
        return None  # `abort` has raised

    async def _admit(
        self, handler: Handler, scope: str | None, context: Context, has_begun: asyncio.Event
    ) -> Message:
        """Admit a call, then run it."""
        # 1. Is there room at all? First, because it costs nothing: a vault under load spends no
        #    time on signatures of calls that it cannot serve.
        self._refuse_unless_room()
        if scope is None:
            self._anonymous.admit(context)
            return await self._run(handler, ANONYMOUS, context, has_begun)
        # 2. Who is it? Before the request is read: nothing is read of callers without an access
        #    token.
        access = await self._access_tokens.verify(_bearer(context))
        # 3. May they do this?
        access.require(scope)
        # 4. Has the account a place? One account must not fill the vault for all others. Held from
        #    before the request until the work ends: calls that send none count as well.
        with self._place_of(access.account):
            return await self._run(handler, Caller(access.account), context, has_begun)

    async def _run(
        self, handler: Handler, caller: Caller, context: Context, has_begun: asyncio.Event
    ) -> Message:
        """Read the request, and hand it to the service with its `Caller`."""
        # 5. Read the request, which must come in time. Until then the call holds a place of its
        #    account and none of the vault's: calls that send nothing keep nobody else out.
        request = await read_request(handler, context)
        # 6. Take a place among all calls. Asked again: others have come since step 1. Nothing is
        #    awaited from here to the count, or more calls would get in than there are places.
        self._refuse_unless_room()
        has_begun.set()
        self.in_flight += 1
        try:
            return await handler.unary_unary(request, caller)
        finally:
            self.in_flight -= 1

    def _refuse_unless_room(self) -> None:
        if self.is_draining:
            raise Overloaded("the vault takes no calls at the moment", RETRY_AFTER)
        if self.in_flight >= self._limits.in_flight:
            raise Overloaded("too many requests at once", RETRY_AFTER)

    @contextmanager
    def _place_of(self, account: str) -> Iterator[None]:
        """Hold one of an account's places for the time of the block."""
        if self._by_account[account] >= self._limits.in_flight_per_account:
            raise Overloaded("too many requests from this account at once", RETRY_AFTER)
        self._by_account[account] += 1
        try:
            yield
        finally:
            self._by_account[account] -= 1
            if not self._by_account[account]:
                del self._by_account[account]


def _bearer(context: Context) -> str:
    """Return the access token: `authorization: Bearer ...` (RFC 6750 section 2.1)."""
    values = [value for key, value in context.invocation_metadata() if key == "authorization"]
    if not values:
        raise AccessTokenMissing("the call carries no access token")
    # Of two, a proxy before the vault may have checked the other one.
    if len(values) > 1 or not str(values[0]).lower().startswith(_BEARER):
        raise AccessTokenInvalid("the authorization metadata is not a single Bearer token")
    return str(values[0])[len(_BEARER) :].strip()


def _seconds(context: Context) -> float:
    remaining = context.time_remaining()
    return MAX_SECONDS if remaining is None else min(MAX_SECONDS, float(remaining))


def _too_slow() -> Overloaded:
    return Overloaded("the call took too long", RETRY_AFTER)


def _outcome(error: BaseException | None) -> str:
    """Return OK, the reason of a refusal, or INTERNAL: a bounded set, for metrics."""
    if error is None:
        return "OK"
    return error.reason if isinstance(error, Refusal) else "INTERNAL"


async def _refuse(context: Context, error: BaseException, request_id: str) -> None:
    """End the call with what went wrong. The log does not say who was refused."""
    if isinstance(error, HsmUnavailable | StoreUnavailable):
        log.warning("call failed", reason=error.reason, problem=str(error))
    if isinstance(error, Refusal):
        log.info("call refused", reason=error.reason)
        trailing = ((STATUS_DETAILS, status_details(error)), (REQUEST_ID, request_id))
        await context.abort(code_of(error), str(error), trailing)
    # Only where it happened: a value could be a secret.
    where = uncaught.places(error.__traceback__)
    log.error("internal error", error=type(error).__name__, where=where)
    await context.abort(grpc.StatusCode.INTERNAL, "internal error")
