"""A place of the guard stands for work: it is free when the work ends, not when the caller leaves.

Covered: callers of every call that leave at once, again and again, while the token hangs.
Not covered here: calls without an access token, connections, streams.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from quick_account import QuickAccount
from raw_client import RawClient, raw_client

from strongroom.errors import VaultBusy
from strongroom.requests import DeleteKey, GetKey, StartRecovery, StartRegistration
from strongroom.wire import encode
from strongroom_protocol.opaque import client
from strongroom_vault.operator.admin_client import AdminClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vault_process import VaultProcess

    from strongroom.requests import Request

PLACES = 16
"""The setting max_in_flight_per_account, by default."""
CALLERS = 40
LEAVE_AFTER_S = 0.5
UNANSWERED = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE}


@contextmanager
def hanging_token(vault: VaultProcess) -> Iterator[None]:
    """No token worker answers for the time of the block, which must be short of a call's 10 s."""
    workers = vault.workers()
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)


def in_flight(vault: VaultProcess) -> int:
    with AdminClient.connect(vault.folder.settings().listen.admin_socket) as admin:
        return admin.status().in_flight


def leave_at_once(raw: RawClient, request: Request[Any]) -> list[Any]:
    method = getattr(raw._stub, type(request).__name__)
    message = encode(request)
    return [
        method.future(message, timeout=LEAVE_AFTER_S, metadata=raw._metadata)
        for _ in range(CALLERS)
    ]


def test_callers_that_leave_keep_their_places_until_their_work_is_done(
    shared_vault: VaultProcess, account: str
) -> None:
    accounts = [QuickAccount(f"{account}-{number}"[-120:]) for number in range(5)]
    for one in accounts:
        one.register(shared_vault)
    finish, _ = accounts[2].begin(shared_vault)
    calls: list[Request[Any]] = [
        StartRecovery(client.generate_ke1(b"wrong")[0].encode()),
        StartRegistration(client.create_registration_request(b"new")[0].encode()),
        finish,
        GetKey(),
        DeleteKey(),
    ]
    with hanging_token(shared_vault):
        for number, (one, request) in enumerate(zip(accounts, calls, strict=True), 1):
            with raw_client(shared_vault, one.name) as raw:
                answers = leave_at_once(raw, request)
                assert {answer.code() for answer in answers} <= UNANSWERED
                with pytest.raises(VaultBusy):
                    raw.call(GetKey())
            assert in_flight(shared_vault) == PLACES * number, type(request).__name__
    ends_at = time.monotonic() + 20
    while in_flight(shared_vault) and time.monotonic() < ends_at:
        time.sleep(0.05)
    assert in_flight(shared_vault) == 0
    with raw_client(shared_vault, accounts[0].name) as raw:
        found = raw.call(GetKey())
        assert found.attempts_left == found.attempt_limit - 1
