"""One request and its repetitions, without I/O: a generator that says what to do next.

`transport.py` does it, blocking or in an event loop. Every request may be repeated, since the same
bytes ask for the same thing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from strongroom.errors import (
    AccessTokenExpired,
    MessageTooLarge,
    NoKey,
    VaultClosed,
    VaultUnreachable,
)
from strongroom.requests import DeleteKey, GetVault, Request
from strongroom.silent_grpc import grpc
from strongroom.status import error_of, is_transient
from strongroom.wire import decode, encode
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.labels import MESSAGE_MAX_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from strongroom.diagnosis import Diagnosis
    from strongroom.route import Route, Target

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Metadata: TypeAlias = tuple[tuple[str, str], ...]

TRY_S: Final = 10.0
"""Seconds that one try may take."""
FIRST_DELAY_S: Final = 0.2
MAX_DELAY_S: Final = 5.0
SEARCH_EVERY_S: Final = 5.0
"""Seconds after which the reason for no answer is looked for again."""


@dataclass(frozen=True, slots=True)
class Authorize:
    """Get an access token; answered with it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a message; answered with the vault's, or grpc.RpcError is raised."""

    message: Message
    timeout: float
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class Find:
    """Wait for what a search finds; answered with a Finding."""

    search: Diagnosis


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait so many seconds."""

    seconds: float


Step: TypeAlias = Authorize | Send | Find | Wait
Steps: TypeAlias = Generator[Step, Any, Result]


class Exchange(Generic[Answer]):
    """One request until it is answered: `steps` says what to do next.

    As a context: whatever ends the request before its next try follows the tries before.
    """

    def __init__(
        self,
        target: Target,
        route: Route,
        request: Request[Answer],
        is_closed: Callable[[], bool],
    ) -> None:
        self._target = target
        self._is_closed = is_closed
        self._route = route
        self._ends_at = time.monotonic() + target.timeout
        self._request = request
        self._failed = 0
        self._retry_after = 0.0
        self._search_at = 0.0
        self._diagnosed: VaultUnreachable | None = None
        self._has_renewed = False

    def steps(self) -> Steps[Answer]:
        """Send the request until it is answered; return the answer.

        1. An access token for each try: the one before may have expired.
        2. The certificate to trust, where only its fingerprint is known.
        3. Send. Always the same bytes: a repetition asks for the same thing, so that an attempt is
           charged once, however often its answer is lost.
        4. Without an answer, find out why, for the error and for the person who waits. Where the
           access token has expired, the vault has done nothing: renew it once, and go on.
        5. Wait, longer each time, and begin again, until the time is up or nothing can get better.

        Raises:
            VaultClosed: the channel is closed, or was meanwhile.
            StrongroomError: the vault refuses the request, or there was no answer in time.
        """
        message = _encoded(self._request)
        while True:
            metadata = yield from self._authorize()  # 1
            self.require_open()
            try:
                yield from self._find_roots()  # 2
                self.require_open()
                answer: Message = yield Send(message, self.timeout(), metadata)  # 3
            except VaultUnreachable as unreachable:
                yield Wait(self._delay_of(unreachable))
            except grpc.RpcError as failed:
                error = self._error_of(failed)
                if self._renewed(error):
                    continue
                self.require_open()
                error = yield from self._explained(error)  # 4
                delay = self._next_delay(error, failed)
                if delay is None:
                    return None  # type: ignore[return-value]  # a deletion that happened
                yield Wait(delay)  # 5
            else:
                return decode(answer)  # type: ignore[no-any-return]

    def lost(self) -> None:
        """A try ended without an answer."""
        self._failed += 1

    def timeout(self) -> float:
        """Return how many seconds the next try may take."""
        return max(0.001, min(TRY_S, self._ends_at - time.monotonic()))

    def require_open(self) -> None:
        """Raise VaultClosed if the channel is closed."""
        if self._is_closed():
            with self:
                raise VaultClosed

    def _authorize(self) -> Steps[Metadata]:
        """Return the metadata with an access token; GetVault goes without."""
        if isinstance(self._request, GetVault):
            return ()
        with self:
            token = yield Authorize()
        return (("authorization", f"Bearer {token}"),)

    def _find_roots(self) -> Steps[None]:
        search = self._route.root_search(self.timeout())
        if search is not None:
            roots = search.root((yield Find(search)))
            self._route.roots = self._route.roots or roots  # another task may have been quicker

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, StrongroomError):
            error.follows_lost_answer = self._failed > 0

    def _error_of(self, failed: grpc.RpcError) -> StrongroomError:
        """Return what went wrong with a try."""
        error, self._retry_after = error_of(failed)
        error.follows_lost_answer = self._failed > 0
        self._failed += 1
        return error

    def _explained(self, error: StrongroomError) -> Steps[StrongroomError]:
        """Return the error that tells why there is no answer, of this and of the next tries."""
        if not isinstance(error, VaultUnreachable) or time.monotonic() < self._search_at:
            return error
        self._search_at = time.monotonic() + SEARCH_EVERY_S
        search = self._route.diagnosis()
        self._diagnosed = search.error((yield Find(search)))
        return self._diagnosed

    def _renewed(self, error: StrongroomError) -> bool:
        """Whether the next try has another access token, where the vault says: it has expired.

        The vault has done nothing then, so that this was no try.
        """
        is_new = isinstance(error, AccessTokenExpired) and not self._has_renewed
        if not is_new or self._target.renew is None:
            return False
        self._failed -= 1
        self._has_renewed = True
        self._target.renew()
        return True

    def _delay_of(self, unreachable: VaultUnreachable) -> float:
        """Return how long to wait after a try that did not come as far as the call.

        Raises:
            VaultUnreachable: there is no next try.
        """
        self._failed += 1
        self._retry_after, self._diagnosed = 0.0, unreachable
        return self._next_delay(unreachable, None) or 0.0

    def _next_delay(self, error: StrongroomError, failed: grpc.RpcError | None) -> float | None:
        """Return how long to wait before the next try; None if the request had its effect.

        Raises:
            StrongroomError: there is no next try.
        """
        if isinstance(self._request, DeleteKey) and self._failed > 1 and isinstance(error, NoKey):
            return None  # an earlier try deleted it and its answer was lost
        if isinstance(error, VaultUnreachable) and self._diagnosed is not None:
            error = self._diagnosed
        error.follows_lost_answer = self._failed > 1
        backed_off = min(MAX_DELAY_S, FIRST_DELAY_S * 2.0 ** (self._failed - 1))
        delay = max(self._retry_after, backed_off * random.uniform(0.5, 1.0))  # noqa: S311 -- jitter
        if not is_transient(error) or time.monotonic() + delay >= self._ends_at:
            raise error from failed
        if self._target.retrying is not None:
            self._target.retrying(error)
        return delay


def _encoded(request: Request[Any]) -> Message:
    message = encode(request)
    if message.ByteSize() > MESSAGE_MAX_SIZE:
        raise MessageTooLarge
    return message
