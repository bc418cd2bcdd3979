"""Attempts over a real vault: what many clients, lost answers, crashes and dead workers get.

Covered: fifty clients at once; repetition of a lost answer; kill -9 of the vault at every step of a
recovery and of a registration; a token worker killed or hanging in mid-call; clients that go away
in mid-call; replayed and mixed-up finishes.
Not covered here: restored databases (test_rollback.py), lies in fields (test_lying_vault.py).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import crashing_vault
import pytest
from raw_client import Guess, raw_client

from strongroom import (
    ActiveKey,
    BackupKey,
    HsmUnavailable,
    KeyDestroyed,
    KeyReplaced,
    MalformedRequest,
    StrongroomError,
    VaultUnreachable,
    WrongPassword,
)
from strongroom.flows import Party
from strongroom.requests import FinishRecovery

if TYPE_CHECKING:
    from vault_process import VaultFolder, VaultProcess

PASSWORD = "correct horse battery staple"
CRASHING = Path(crashing_vault.__file__)


def attempts_left(vault: VaultProcess, account: str) -> int:
    with vault.connect(account) as client:
        status = client.status()
    assert isinstance(status, ActiveKey)
    return status.attempts_left


def protect(vault: VaultProcess, account: str, limit: int | None = None) -> BackupKey:
    key = BackupKey.generate()
    with vault.connect(account) as client:
        client.protect(key, PASSWORD, attempt_limit=limit)
    return key


@pytest.mark.parametrize("finishes", [True, False])
def test_fifty_clients_at_once_get_no_more_than_the_limit(
    shared_vault: VaultProcess,
    account: str,
    finishes: bool,  # noqa: FBT001
) -> None:
    limit = 10
    protect(shared_vault, account, limit)
    barrier = threading.Barrier(50)

    def guess(number: int) -> str:
        wrong = Guess.of(f"guess {number}")
        with raw_client(shared_vault, account) as client:
            barrier.wait()
            try:
                started = client.insist(wrong.call)
            except KeyDestroyed:
                return "destroyed"
            if finishes:
                with pytest.raises((WrongPassword, KeyDestroyed)):
                    client.insist(FinishRecovery(started.state, bytes(32)))
            return "evaluated"

    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(guess, range(50)))
    evaluated = results.count("evaluated")
    assert results.count("destroyed") == 50 - evaluated
    if shared_vault.folder.tables["token"]["residency"] == "wrapped":
        assert evaluated == limit
    else:  # the eleventh start destroys the key in the token, under those that wait for it
        assert evaluated <= limit
    with shared_vault.connect(account) as client, pytest.raises(KeyDestroyed):
        client.recover(PASSWORD)


def test_a_lost_answer_is_repeated_without_a_charge(
    shared_vault: VaultProcess, account: str
) -> None:
    protect(shared_vault, account)
    guess = Guess.of("wrong")
    with raw_client(shared_vault, account) as client:
        first = client.call(guess.call)
        for _ in range(5):
            again = client.call(guess.call)
            assert again.attempts_left == first.attempts_left == 9
            assert again.ke2[:33] == first.ke2[:33]  # the same evaluation
    assert attempts_left(shared_vault, account) == 9


def test_fifty_repetitions_at_once_are_one_attempt(
    shared_vault: VaultProcess, account: str
) -> None:
    protect(shared_vault, account)
    guess = Guess.of("wrong")

    def repeat(_: int) -> bytes:
        with raw_client(shared_vault, account) as client:
            return bytes(client.insist(guess.call).ke2[:33])

    with ThreadPoolExecutor(50) as threads:
        assert len(set(threads.map(repeat, range(50)))) == 1
    assert attempts_left(shared_vault, account) == 9


def test_replayed_and_mixed_up_finishes(shared_vault: VaultProcess, account: str) -> None:
    protect(shared_vault, account)
    with shared_vault.connect(account) as vault:
        party = Party(vault.info(), account)
    right, wrong = Guess.of(PASSWORD), Guess.of("wrong")
    with raw_client(shared_vault, account) as client:
        started = client.call(right.call)
        other = client.call(wrong.call)
        proof = right.finish(party, started)
        with pytest.raises(WrongPassword):
            client.call(FinishRecovery(other.state, proof.ke3))
        assert client.call(proof) == client.call(proof)
        assert attempts_left(shared_vault, account) == 9  # the later attempt stays charged
    with (
        raw_client(shared_vault, account + " thief") as thief,
        pytest.raises(MalformedRequest) as refused,
    ):
        thief.call(proof)
    assert refused.value.field == "recovery_state"
    protect(shared_vault, account)
    with raw_client(shared_vault, account) as client, pytest.raises(KeyReplaced):
        client.call(proof)


def crash(vault_folder: VaultFolder, step: str) -> VaultProcess:
    return vault_folder.start(
        [sys.executable, str(CRASHING), step, str(vault_folder.settings_file)],
        {"PYTHONPATH": str(CRASHING.parent)},
    )


@pytest.mark.parametrize("step", crashing_vault.STEPS)
def test_kill_9_at_every_step_of_an_attempt(vault_folder: VaultFolder, step: str) -> None:
    with vault_folder.start() as vault:
        key = protect(vault, "alice")
    guess = Guess.of("wrong")
    with crash(vault_folder, step) as vault, raw_client(vault, "alice") as client:
        with pytest.raises(VaultUnreachable):
            client.call(guess.call)
        assert vault.process.wait(30) == -signal.SIGKILL
    with vault_folder.start() as vault:
        charged = 0 if step == "before-commit" else 1
        assert attempts_left(vault, "alice") == 10 - charged
        with raw_client(vault, "alice") as client:
            assert client.call(guess.call).attempts_left == 9  # once, not twice
            assert client.call(Guess.of("another").call).attempts_left == 8
        with vault.connect("alice") as owner:
            assert owner.recover(PASSWORD) == key
        assert attempts_left(vault, "alice") == 10


@pytest.mark.parametrize("step", ["before-commit", "after-commit", "after-anchor", "before-answer"])
def test_kill_9_at_every_step_of_a_release(vault_folder: VaultFolder, step: str) -> None:
    with vault_folder.start() as vault:
        protect(vault, "alice")
        with vault.connect("alice") as owner:
            party = Party(owner.info(), "alice")
        guess = Guess.of(PASSWORD)
        with raw_client(vault, "alice") as client:
            finish = guess.finish(party, client.call(guess.call))
    with crash(vault_folder, step) as vault, raw_client(vault, "alice") as client:
        with pytest.raises(VaultUnreachable):
            client.call(finish)
        assert vault.process.wait(30) == -signal.SIGKILL
    with vault_folder.start() as vault, raw_client(vault, "alice") as client:
        assert len(client.call(finish)) == 60  # the same bytes again release it
        assert attempts_left(vault, "alice") == 10


@pytest.mark.parametrize("step", ["before-commit", "after-commit", "after-anchor", "before-answer"])
def test_kill_9_at_every_step_of_a_password_change(vault_folder: VaultFolder, step: str) -> None:
    """Whichever password is right afterwards, it is exactly one, and the key is there."""
    with vault_folder.start() as vault:
        key = protect(vault, "alice")
    with crash(vault_folder, step) as vault, vault.connect("alice", timeout=3) as owner:
        with pytest.raises(VaultUnreachable):
            owner.protect(key, "new " + PASSWORD)
        assert vault.process.wait(30) == -signal.SIGKILL
    right, wrong = PASSWORD, "new " + PASSWORD
    if step != "before-commit":
        right, wrong = wrong, right
    with vault_folder.start() as vault, vault.connect("alice") as owner:
        with pytest.raises(WrongPassword):
            owner.recover(wrong)
        assert owner.recover(right) == key


def slow_vault(vault_folder: VaultFolder) -> VaultProcess:
    """One token worker, which may take two seconds for a call."""
    text = vault_folder.settings_file.read_text()
    text = text.replace("workers = 2", "workers = 1\ncall_timeout_s = 2.0")
    vault_folder.settings_file.write_text(text)
    return vault_folder.start()


def worker_of(vault: VaultProcess) -> int:
    """The process id of the vault's only token worker."""
    (worker,) = vault.workers()
    return worker


@pytest.mark.parametrize("dies", [True, False], ids=["killed", "hangs"])
def test_a_worker_lost_in_mid_call_gives_the_attempt_back(
    vault_folder: VaultFolder,
    dies: bool,  # noqa: FBT001
) -> None:
    with slow_vault(vault_folder) as vault:
        key = protect(vault, "alice")
        worker = worker_of(vault)
        os.kill(worker, signal.SIGSTOP)
        if dies:
            threading.Timer(0.4, os.kill, (worker, signal.SIGKILL)).start()
        with raw_client(vault, "alice") as client, pytest.raises(HsmUnavailable):
            client.call(Guess.of("wrong").call)
        assert attempts_left(vault, "alice") == 10
        with vault.connect("alice") as owner:
            assert owner.recover(PASSWORD) == key
        assert worker_of(vault) != worker
        assert "token worker replaced" in vault.log()


def test_a_repetition_while_the_worker_hangs_makes_the_charge_final(
    vault_folder: VaultFolder,
) -> None:
    """Else the first failure would give an attempt back whose repetition was answered."""
    with slow_vault(vault_folder) as vault:
        protect(vault, "alice")
        guess = Guess.of("wrong")
        os.kill(worker_of(vault), signal.SIGSTOP)

        def call(_: int) -> str:
            with raw_client(vault, "alice") as client, suppress(StrongroomError):
                client.call(guess.call)
                return "answered"
            return "failed"

        with ThreadPoolExecutor(4) as threads:
            assert "failed" in list(threads.map(call, range(4)))
        assert attempts_left(vault, "alice") == 9


def test_a_client_that_goes_away_is_charged_for_what_was_begun(
    shared_vault: VaultProcess, account: str
) -> None:
    """However early it leaves, its attempt is charged whole or not at all, and can be repeated."""
    protect(shared_vault, account)
    guess = Guess.of("wrong")
    for milliseconds in (1, 2, 4, 8):
        with raw_client(shared_vault, account) as client, suppress(StrongroomError):
            client.call(guess.call, timeout=milliseconds / 1000)
    time.sleep(0.5)
    assert attempts_left(shared_vault, account) in (9, 10)
    with raw_client(shared_vault, account) as client:
        assert client.call(guess.call).attempts_left == 9
    assert attempts_left(shared_vault, account) == 9
