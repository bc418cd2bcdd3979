"""A worker's loop over its pipe, on an open token: answers in order, failures as answers."""

from __future__ import annotations

from socket import socketpair
from typing import TYPE_CHECKING, Any

import pytest

from strongroom_vault.hsm.framing import LENGTH_SIZE, decode_answer, first_body, frame
from strongroom_vault.hsm.jobs import (
    CreateRegistrationResponse,
    Failed,
    Hello,
    ListWrapKeys,
    Ready,
    Rewrap,
    WrapKeys,
)
from strongroom_vault.hsm.token import handlers, worker
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from strongroom_vault.hsm.jobs import AnyJob
    from strongroom_vault.hsm.token.open_token import OpenToken

HELLO = Hello(TokenSettings("", "", ""), ("one", "two"))


def served(token: OpenToken, *batches: tuple[AnyJob, ...]) -> list[Any]:
    """The answers of a worker to some frames, until it ends."""
    ours, theirs = socketpair()
    with ours:
        with theirs:
            for batch in batches:
                ours.sendall(frame(batch))
                if batch is batches[-1]:
                    ours.shutdown(1)  # we send no more
            worker._serve(token, theirs)
        received, answers = b"", list[Any]()
        while part := ours.recv(65536):
            received += part
    while (body := first_body(received)) is not None:
        answers.append(decode_answer(body))
        received = received[LENGTH_SIZE + len(body) :]
    assert received == b""
    return answers


def test_what_the_vault_needs_once(token: OpenToken) -> None:
    ready = worker._ready(token, HELLO)
    secrets = tuple(token.keys.derive_secret(label) for label in ("one", "two"))
    assert ready == Ready(token.keys.identity.public_key.encode(), secrets)


def test_jobs_are_answered_in_order_and_failures_are_answers(token: OpenToken) -> None:
    answers = served(
        token,
        (
            ListWrapKeys(),
            HELLO,
            CreateRegistrationResponse(bytes(33)),
            Rewrap(StoredOprfKey(bytes(33), None)),
            ListWrapKeys(),
        ),
    )
    assert answers[0] == answers[4] == WrapKeys((0,))
    assert answers[1] == Failed("this worker is already open")
    assert answers[2].problem.startswith("IdentityElement: ")
    assert answers[3] == Failed("a resident key is not wrapped")


@pytest.mark.parametrize(
    ("error", "failed", "is_last"),
    [
        (TokenError("gone", is_session_lost=True), Failed("gone", is_session_lost=True), True),
        (KeyNotFound("no key"), Failed("no key", is_not_found=True), False),
    ],
)
def test_a_lost_session_is_the_last_answer(
    token: OpenToken,
    monkeypatch: pytest.MonkeyPatch,
    error: TokenError,
    failed: Failed,
    *,
    is_last: bool,
) -> None:
    def fail(*_arguments: object) -> None:
        raise error

    failing: dict[type[Any], Any] = {**handlers.HANDLERS, Rewrap: fail}
    monkeypatch.setattr(handlers, "HANDLERS", failing)
    answers = served(token, (Rewrap(StoredOprfKey(bytes(33), None)), ListWrapKeys()))
    assert answers == ([failed] if is_last else [failed, WrapKeys((0,))])


def test_an_uncaught_error_is_printed_for_the_vaults_log(
    capsys: pytest.CaptureFixture[str],
) -> None:
    worker._report_uncaught("ValueError", ["worker.py:1", "worker.py:2"])
    assert capsys.readouterr().err == "ValueError at worker.py:1 worker.py:2\n"
