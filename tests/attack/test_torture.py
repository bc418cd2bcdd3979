"""A vault under load is killed again and again at random moments; nothing acknowledged is lost.

Each hostile client owns one account and knows, from what was acknowledged, exactly what the vault
must hold for it; a call whose answer was lost is repeated until it is answered. Checked throughout:
registrations, releases, deletions and destructions that were acknowledged are there after every
restart; the distinct evaluations obtained since the last release are at most the limit plus the
registrations since; a key is destroyed only after as many distinct guesses as its limit.

Killed are, at random: the vault, a token worker, all of their processes at once (a power cut), and
vaults that are still starting. STRONGROOM_TORTURE sets the number of kills, 48 unless set;
STRONGROOM_TORTURE_SEED the order of what happens.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pytest
from raw_client import Guess, raw_client
from vault_process import make_softhsm, make_vault

from strongroom import (
    ActiveKey,
    DestroyedKey,
    HsmUnavailable,
    KeyDestroyed,
    KeyReplaced,
    NoKey,
    StateExpired,
    StoreUnavailable,
    VaultBusy,
    VaultUnreachable,
    WrongPassword,
)
from strongroom.requests import (
    DeleteKey,
    FinishRecovery,
    FinishRegistration,
    GetKey,
    StartRecovery,
    StartRegistration,
)
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess

    from strongroom.requests import Request
    from strongroom_protocol.answers import RecoveryStarted

KILLS: Final = int(os.environ.get("STRONGROOM_TORTURE", "48"))
SEED: Final = int(os.environ.get("STRONGROOM_TORTURE_SEED", "1"))
CLIENTS: Final = 6
LIMIT: Final = 4
RIGHT: Final = b"right"
GIVE_UP_S: Final = 60.0
LATER: Final = (VaultUnreachable, HsmUnavailable, StoreUnavailable, VaultBusy)


Evaluation: TypeAlias = "tuple[bytes, bytes | None]"
"""Blinded element and key id: the same again teaches nothing new."""


def unstretched(data: bytes) -> bytes:
    """The vault cannot know how a client stretches, and here nobody attacks the password."""
    return data


class Place:
    """Where the vault is at the moment; None while it is down."""

    def __init__(self) -> None:
        self.vault: VaultProcess | None = None
        self.is_over = threading.Event()
        self.evaluations = 0
        self.acknowledged = 0


class HostileClient:
    """One account, and what the vault must hold for it."""

    def __init__(self, place: Place, account: str, seed: int) -> None:
        self.place = place
        self.account = account
        self.choose = random.Random(seed)
        self.identities = Identities(account.encode(), b"strongroom/v1/vault.test")
        self.key_id: bytes | None = None
        self.sealed = b""
        self.is_destroyed = False
        self.guesses: set[Evaluation] = set()
        self.evaluated: set[Evaluation] = set()
        self.known: set[Evaluation] = set()
        self.registrations = 0
        self.old_guess: Guess | None = None
        self.old_proof: FinishRecovery | None = None

    def live(self) -> None:
        deeds: dict[Callable[[], None], int] = {
            self.guess: 6,
            self.guess_and_go_away: 3,
            self.repeat_last_guess: 3,
            self.recover: 6,
            self.replay_old_proof: 2,
            self.register: 2,
            self.delete: 1,
            self.look: 3,
        }
        while not self.place.is_over.is_set():
            self.choose.choices(list(deeds), list(deeds.values()))[0]()

    def ask(self, request: Request[Any]) -> Any:
        """Repeat the same bytes until there is an answer."""
        deadline = time.monotonic() + GIVE_UP_S
        while time.monotonic() < deadline:
            try:
                answer = self.ask_once(request)
            except LATER:
                time.sleep(0.05)
                continue
            self.place.acknowledged += 1
            return answer
        raise AssertionError(f"no answer within {GIVE_UP_S} s")

    def ask_once(self, request: Request[Any]) -> Any:
        vault = self.place.vault
        if vault is None:
            raise VaultUnreachable("it is down")
        with raw_client(vault, self.account) as raw:
            return raw.call(request, timeout=5)

    def guess(self) -> None:
        started = self.start(Guess.of(f"wrong {self.choose.random()}"))
        if started is not None and self.choose.random() < 0.5:
            with pytest.raises((WrongPassword, KeyDestroyed)) as refused:
                self.ask(FinishRecovery(started.state, bytes(32)))
            if refused.type is KeyDestroyed:
                self.note_destroyed()

    def guess_and_go_away(self) -> None:
        """Send a guess once and never look at what became of it."""
        guess = Guess.of(f"wrong {self.choose.random()}")
        self.guesses.add((guess.call.ke1[:33], self.key_id))
        self.old_guess = None
        with suppress(*LATER, NoKey, KeyDestroyed):
            self.ask_once(guess.call)
            self.note_evaluated(guess.call)
            self.old_guess = guess

    def repeat_last_guess(self) -> None:
        if self.old_guess is not None:
            self.start(self.old_guess)

    def start(self, guess: Guess) -> RecoveryStarted | None:
        self.guesses.add((guess.call.ke1[:33], self.key_id))
        self.old_guess = guess
        try:
            started: RecoveryStarted = self.ask(guess.call)
        except NoKey:
            assert self.key_id is None
            assert not self.is_destroyed
            return None
        except KeyDestroyed:
            self.note_destroyed()
            return None
        assert not self.is_destroyed
        assert started.key_id == self.key_id
        self.note_evaluated(guess.call)
        return started

    def recover(self) -> None:
        """The owner comes, with the right password, and must get the key if any attempt is left."""
        ke1, session = client.generate_ke1(RIGHT)
        started = self.start(Guess(StartRecovery(ke1.encode()), session))
        if started is None:
            return
        ke3, _ = client.generate_ke3(session, KE2.decode(started.ke2), self.identities, unstretched)
        proof = FinishRecovery(started.state, ke3.encode())
        try:
            released = self.ask(proof)
        except KeyDestroyed:
            self.note_destroyed()  # somebody who went away had used the attempts up
            return
        assert released == self.sealed
        self.old_proof = proof
        self.guesses, self.evaluated, self.registrations = set(), set(), 0

    def replay_old_proof(self) -> None:
        """Whatever it is answered, it must clear nothing: `look` and `start` would notice."""
        if self.old_proof is None:
            return
        try:
            assert self.ask(self.old_proof) == self.sealed
        except (KeyReplaced, StateExpired):
            pass
        except KeyDestroyed:
            self.note_destroyed()

    def register(self) -> None:
        request, session = client.create_registration_request(RIGHT)
        started = self.ask(StartRegistration(request.encode()))
        record, _ = client.finalize_registration_request(
            session,
            RegistrationResponse.decode(started.registration_response),
            self.identities,
            unstretched,
        )
        sealed = self.choose.randbytes(60)
        registered = self.ask(FinishRegistration(started.state, record.encode(), sealed, LIMIT))
        assert registered.key_id == started.key_id
        self.key_id, self.sealed = started.key_id, sealed
        if self.is_destroyed:
            self.guesses |= {(bytes([number]), None) for number in range(LIMIT - 1)}
        self.is_destroyed = False
        self.registrations += 1
        self.old_proof = None

    def delete(self) -> None:
        try:
            self.ask(DeleteKey())
        except NoKey:
            pass  # a repetition, whose first answer was lost, finds nothing
        except KeyDestroyed:
            self.note_destroyed()
            return
        assert not self.is_destroyed
        self.key_id = None

    def look(self) -> None:
        found = self.ask(GetKey())
        if isinstance(found, ActiveKey):
            assert found.key_id == self.key_id
            assert not self.is_destroyed
            assert found.attempts_left >= LIMIT - len(self.guesses)
        elif isinstance(found, DestroyedKey):
            self.note_destroyed()
        else:
            assert self.key_id is None
            assert not self.is_destroyed

    def note_evaluated(self, call: StartRecovery) -> None:
        self.place.evaluations += 1
        evaluation = (call.ke1[:33], self.key_id)
        if evaluation not in self.known:
            self.known.add(evaluation)
            self.evaluated.add(evaluation)
        assert len(self.evaluated) <= LIMIT + self.registrations

    def note_destroyed(self) -> None:
        """A key is destroyed only if it was, or if there were enough guesses."""
        assert self.is_destroyed or (self.key_id is not None and len(self.guesses) >= LIMIT)
        self.is_destroyed = True
        self.old_guess = self.old_proof = None


def kill(vault: VaultProcess, choose: random.Random) -> str:
    how = choose.choices(["vault", "worker", "power cut"], [4, 2, 3])[0]
    if how == "worker":
        workers = vault.workers()
        with suppress(ProcessLookupError, IndexError):
            os.kill(choose.choice(workers), signal.SIGKILL)
    elif how == "power cut":
        os.killpg(vault.process.pid, signal.SIGKILL)
        vault.kill()
    else:
        vault.kill()
    return how


def kill_while_it_starts(folder: VaultFolder, choose: random.Random) -> None:
    process = subprocess.Popen(
        folder.command("serve"),
        env=folder.environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    time.sleep(choose.uniform(0.2, 1.5))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


@pytest.mark.timeout(300 + 10 * KILLS)
@pytest.mark.parametrize("residency", ["wrapped", "token"])
def test_torture(tmp_path: Path, residency: str) -> None:
    softhsm = make_softhsm(tmp_path / "token")
    folder = make_vault(tmp_path / "vault", softhsm, token={"residency": residency})
    choose = random.Random(SEED)
    place = Place()
    clients = [HostileClient(place, f"account-{n}", SEED * 1000 + n) for n in range(CLIENTS)]
    place.vault = folder.start()
    killed: list[str] = []
    with ThreadPoolExecutor(CLIENTS) as threads:
        lives = [threads.submit(client_.live) for client_ in clients]
        try:
            while len(killed) < KILLS // 2 and not any(life.done() for life in lives):
                time.sleep(choose.uniform(0.05, 1.2))
                killed.append(kill(place.vault, choose))
                if killed[-1] != "worker":
                    place.vault = None
                    if choose.random() < 0.25:
                        kill_while_it_starts(folder, choose)
                    place.vault = folder.start()
        finally:
            place.is_over.set()
    print(  # noqa: T201 -- the figure that the long version is run for
        f"{residency}: {len(killed)} kills, {place.acknowledged} answers,"
        f" {place.evaluations} evaluations, seed {SEED}"
    )
    for life in lives:
        life.result()
    for client_ in clients:
        client_.look()
        client_.recover()
    assert place.vault.stop() == 0
    verified = subprocess.run(
        folder.command("audit", "verify"),
        env=folder.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
