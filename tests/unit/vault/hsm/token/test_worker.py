"""A worker's loop over its pipe, on an open token: answers in order, failures as answers."""

from __future__ import annotations

import subprocess
import sys
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
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.hsm.token.vault_keys import create_missing_keys
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from vault_process import SoftHsm

    from strongroom_vault.hsm.jobs import AnyJob
    from strongroom_vault.hsm.token.open_token import OpenToken

STEPS = """
import ctypes, signal, sys
from strongroom_vault.hsm.token import open_token, worker

def note(module, name):
    real = getattr(module, name)
    def noted(*arguments):
        dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
        print(name, "dumpable" if dumpable else "sealed", signal.getsignal(signal.SIGINT).name)
        return real(*arguments)
    setattr(module, name, noted)

note(open_token, "read_pin")
note(worker, "check_keys")
note(worker, "_ready")
worker.main(int(sys.argv[1]))
"""
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


def test_it_is_hardened_before_it_reads_the_pin_and_tested_before_it_is_ready(
    softhsm: SoftHsm,
) -> None:
    with open_token(softhsm.settings()) as vault:
        create_missing_keys(vault.session)
    ours, theirs = socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-c", STEPS, str(theirs.fileno())]
            process = subprocess.Popen(
                command, pass_fds=(theirs.fileno(),), stdout=subprocess.PIPE, text=True
            )
        ours.sendall(frame((Hello(softhsm.settings(), ("one",)),)))
        ours.shutdown(1)
        printed, _ = process.communicate(timeout=60)
        assert (body := first_body(ours.recv(65536))) is not None
        assert isinstance(decode_answer(body), Ready)
    assert printed.splitlines() == [
        f"{step} sealed SIG_IGN" for step in ("read_pin", "check_keys", "_ready")
    ]
