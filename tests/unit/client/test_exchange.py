"""One request and its repetitions: what comes next after each way to fail, without a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from strongroom import (
    AccessTokenExpired,
    MessageTooLarge,
    NoKey,
    UnreachableCause,
    VaultClosed,
    VaultUnreachable,
)
from strongroom.diagnosis import Finding
from strongroom.exchange import FIRST_DELAY_S, MAX_DELAY_S, Authorize, Exchange, Find, Send, Wait
from strongroom.requests import DeleteKey, GetKey, GetVault, StartRecovery
from strongroom.route import Route, Target
from strongroom_protocol.convert import SUITE
from strongroom_protocol.labels import MESSAGE_MAX_SIZE
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from strongroom import StrongroomError
    from strongroom.exchange import Step
    from strongroom.requests import Request

ABSENT = pb.GetKeyResponse(suite=SUITE, absent=pb.GetKeyResponse.Absent())
REFUSED = Finding(UnreachableCause.REFUSED)


class Failed(grpc.RpcError):
    """What gRPC raises: with a reason of the protocol, or without an answer."""

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self._reason = reason

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def trailing_metadata(self) -> Any:
        status = Status()
        status.details.add().Pack(ErrorInfo(reason=self._reason, domain="strongroom"))
        return (("grpc-status-details-bin", status.SerializeToString()),) if self._reason else ()


class Played:
    """An exchange whose tries end as a test says; every step is kept."""

    def __init__(self, request: Request[Any], **options: Any) -> None:
        self.target = Target("localhost:1", "token", **options)
        self.is_closed = False
        self.exchange = Exchange(self.target, Route(self.target), request, lambda: self.is_closed)
        self.steps: list[Step] = []

    def play(self, *ends: Any) -> Any:
        """Return the answer; the n-th try ends with the n-th of `ends`, an answer or an error."""
        tries = iter(ends)
        steps = self.exchange.steps()
        value: Any = None
        try:
            step = next(steps)
            while True:
                self.steps.append(step)
                match step:
                    case Authorize():
                        value = "token"
                    case Find():
                        value = REFUSED
                    case Wait():
                        value = None
                    case Send():
                        value = next(tries)
                step = steps.throw(value) if isinstance(value, BaseException) else steps.send(value)
        except StopIteration as stop:
            return stop.value

    def of(self, kind: type[Any]) -> list[Any]:
        return [step for step in self.steps if isinstance(step, kind)]


def test_an_answer_at_once() -> None:
    played = Played(GetKey())
    assert played.play(ABSENT) is None
    assert [type(step) for step in played.steps] == [Authorize, Send]
    assert played.of(Send)[0].metadata == (("authorization", "Bearer token"),)
    assert 9 < played.of(Send)[0].timeout <= 10


def test_the_public_parameters_are_asked_for_without_an_access_token() -> None:
    played = Played(GetVault())
    with pytest.raises(NoKey):
        played.play(Failed("NO_KEY"))
    assert [type(step) for step in played.steps] == [Send]
    assert played.of(Send)[0].metadata == ()


def test_a_lost_answer_is_asked_for_again_with_the_same_bytes_and_told() -> None:
    told: list[StrongroomError] = []
    played = Played(StartRecovery(bytes(98)), retrying=told.append)
    with pytest.raises(NoKey) as error:
        played.play(Failed(), Failed(), Failed("NO_KEY"))
    assert error.value.follows_lost_answer
    first, *others = played.of(Send)
    assert [other.message for other in others] == [first.message] * 2
    assert len(played.of(Find)) == 1, "one diagnosis is enough for some seconds"
    assert [(type(one), one.cause) for one in told if isinstance(one, VaultUnreachable)] == [
        (VaultUnreachable, UnreachableCause.REFUSED)
    ] * 2


def test_it_waits_longer_each_time() -> None:
    played = Played(GetKey(), timeout=600)
    assert played.play(*[Failed("OVERLOADED")] * 9, ABSENT) is None
    for number, wait in enumerate(played.of(Wait)):
        full = min(MAX_DELAY_S, FIRST_DELAY_S * 2**number)
        assert full / 2 <= wait.seconds <= full
    assert len(played.of(Wait)) == 9


def test_no_wait_begins_that_would_end_too_late() -> None:
    played = Played(GetKey(), timeout=0.05)
    with pytest.raises(VaultUnreachable) as error:
        played.play(Failed())
    assert error.value.cause is UnreachableCause.REFUSED
    assert not error.value.follows_lost_answer
    assert played.of(Wait) == []


def test_an_expired_token_is_renewed_once_and_counts_as_no_try() -> None:
    renewed: list[int] = []
    played = Played(GetKey(), renew=lambda: renewed.append(1))
    with pytest.raises(AccessTokenExpired) as error:
        played.play(Failed("ACCESS_TOKEN_EXPIRED"), Failed("ACCESS_TOKEN_EXPIRED"))
    assert renewed == [1]
    assert not error.value.follows_lost_answer
    assert played.of(Wait) == []
    assert len(played.of(Authorize)) == 2


def test_a_token_that_cannot_be_renewed_ends_the_request() -> None:
    played = Played(GetKey())
    with pytest.raises(AccessTokenExpired):
        played.play(Failed("ACCESS_TOKEN_EXPIRED"))
    assert len(played.of(Send)) == 1


def test_a_deletion_whose_answer_was_lost_has_happened() -> None:
    assert Played(DeleteKey()).play(Failed(), Failed("NO_KEY")) is None
    with pytest.raises(NoKey):
        Played(DeleteKey()).play(Failed("NO_KEY"))


def test_nothing_is_sent_once_it_is_closed() -> None:
    played = Played(GetKey())
    played.is_closed = True
    with pytest.raises(VaultClosed) as error:
        played.play()
    assert not error.value.follows_lost_answer
    assert played.of(Send) == []


def test_what_is_too_large_is_never_sent() -> None:
    played = Played(StartRecovery(bytes(MESSAGE_MAX_SIZE)))
    with pytest.raises(MessageTooLarge):
        played.play()
    assert played.steps == []
