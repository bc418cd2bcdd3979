"""Bounds of stretching, memory that is had before it is paid for, and many at once."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from child import run_limited
from lying_vault import KEY, PASSWORD, LyingVault, drive, protected

from strongroom import errors, recovery, registration, requests
from strongroom.flows import Party
from strongroom.stretching import HEAVIEST, Stretcher, Stretching, require_threads
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_protocol.opaque.ksf import Reservation

SMALL = Argon2id(memory_kib=1024, passes=1, lanes=4)


def test_many_threads_at_once_all_finish() -> None:
    """OpenSSL's Argon2 hangs here for ever with two threads."""
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: results.append(RFC9106_SECOND(b"same")), daemon=True)
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(results) == 6
    assert set(results) == {RFC9106_SECOND(b"same")}


def test_fifty_at_once_hold_the_memory_of_as_many_as_there_are_processors() -> None:
    code = """
import resource, threading
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
def one():
    RFC9106_SECOND.reserve().release()
threads = [threading.Thread(target=one) for _ in range(50)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    used_kib = int(run_limited(code))
    assert used_kib < (os.cpu_count() or 1) * RFC9106_SECOND.memory_kib + 200_000


def test_a_child_that_was_forked_while_others_stretch_can_stretch() -> None:
    code = """
import os, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)
from strongroom_protocol.opaque import ksf
for _ in range(os.cpu_count() or 1):
    ksf._places.__enter__()  # held by threads that do not exist in the child
if os.fork() == 0:
    ksf.Argon2id(1024, 1, 4)(b"x")
    os._exit(7)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    assert run_limited(code) == "7"


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_what_is_reserved_is_possible(lanes: int) -> None:
    stretching = Argon2id(65536, 3, lanes)
    reservation = stretching.reserve()
    reservation.release()
    reservation.release()
    assert len(stretching(b"x")) == 32


def test_what_is_not_possible_is_said_before() -> None:
    code = """
import resource
from strongroom_protocol.opaque.ksf import Argon2id
try:
    Argon2id(1024 * 1024, 3, 4).reserve()
except MemoryError:
    print("refused")
try:
    Argon2id(1024 * 1024, 3, 4)(b"x")
except MemoryError:
    print("refused")
Argon2id(65536, 3, 4).reserve().release()
"""
    assert run_limited(code, address_space=700 * 2**20) == "refused\nrefused"


def test_threads_that_cannot_be_had_are_said_before() -> None:
    """Four lanes want four stacks of 512 MiB each: there is memory, but not for the threads."""
    code = """
from strongroom_protocol.opaque.ksf import Argon2id
try:
    Argon2id(65536, 3, 4).reserve()
except MemoryError as error:
    print(error)
"""
    answer = run_limited(code, address_space=1200 * 2**20, stack=512 * 2**20)
    assert answer == "Threading failure"


def test_threads_that_grpc_cannot_have_are_said_before_it_ends_the_process() -> None:
    """`ulimit -u`, as shared machines and containers have it; it does not bind root."""
    code = """
import os, resource
from strongroom.errors import NotEnoughThreads
from strongroom.stretching import require_threads
if os.geteuid() == 0:
    os.setuid(54321)
resource.setrlimit(resource.RLIMIT_NPROC, (6, 6))
try:
    require_threads()
except NotEnoughThreads:
    print("refused")
"""
    before = threading.active_count()
    require_threads()
    assert threading.active_count() == before
    assert run_limited(code) == "refused"


def paid_for(vault: LyingVault) -> int:
    return sum(isinstance(asked, requests.StartRecovery) for asked in vault.asked)


def test_an_application_narrows_the_bounds_and_nothing_is_paid_for() -> None:
    vault = protected()
    narrow = Party(vault.info, "alice", stretching=Stretching(Argon2id(65536, 2, 16)))
    with pytest.raises(errors.VaultParametersRefused):
        drive(recovery.recover(narrow, PASSWORD), vault)
    assert paid_for(vault) == 0
    wide = Party(vault.info, "alice", stretching=Stretching(RFC9106_SECOND))
    assert drive(recovery.recover(wide, PASSWORD), vault) == KEY


def test_too_little_memory_is_said_before_anything_is_paid_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(_self: Argon2id) -> None:
        raise MemoryError

    vault = protected()
    monkeypatch.setattr(Argon2id, "reserve", no_memory)
    with pytest.raises(errors.NotEnoughMemory) as refused:
        drive(recovery.recover(vault.party, PASSWORD), vault)
    assert paid_for(vault) == 0
    assert not refused.value.is_paid_for
    assert "64 MiB" in str(refused.value)
    assert "No attempt was used" in str(refused.value)


def test_memory_that_goes_away_in_between_keeps_the_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(_self: Argon2id, _data: bytes) -> bytes:
        raise MemoryError

    vault = protected()
    party = vault.party
    with monkeypatch.context() as patched:
        patched.setattr(Argon2id, "__call__", no_memory)
        with pytest.raises(errors.NotEnoughMemory) as refused:
            drive(recovery.recover(party, PASSWORD), vault)
    assert refused.value.is_paid_for
    assert "No attempt was used" not in str(refused.value)
    assert drive(recovery.recover(party, PASSWORD), vault) == KEY
    first, again = (asked for asked in vault.asked if isinstance(asked, requests.StartRecovery))
    assert first == again


def test_too_little_memory_at_a_registration_ends_it_before_it_takes_effect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_memory(_self: Argon2id, _data: bytes) -> bytes:
        raise MemoryError

    vault = LyingVault()
    monkeypatch.setattr(Argon2id, "__call__", no_memory)
    with pytest.raises(errors.NotEnoughMemory):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert not any(isinstance(asked, requests.FinishRegistration) for asked in vault.asked)


def test_without_the_scope_to_look_the_vaults_own_stretching_is_reserved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_request: requests.GetKey) -> requests.KeyStatus:
        raise errors.ScopeMissing("read")

    vault = protected()
    reserved: list[Argon2id] = []
    honest = Argon2id.reserve

    def reserve(self: Argon2id) -> Reservation:
        reserved.append(self)
        return honest(self)

    monkeypatch.setattr(Argon2id, "reserve", reserve)
    vault.stands_in["GetKey"] = refuse
    assert drive(recovery.recover(vault.party, PASSWORD), vault) == KEY
    assert reserved == [RFC9106_SECOND]


def test_the_one_who_watches_is_told_of_every_stretching_and_of_its_end() -> None:
    told: list[str] = []

    @contextmanager
    def watch(parameters: Argon2id) -> Iterator[None]:
        told.append(f"{parameters.memory_kib}")
        yield
        told.append("done")

    vault = LyingVault()
    party = Party(vault.info, "alice", stretching=Stretching(HEAVIEST, watch))
    drive(registration.protect(party, PASSWORD, KEY, None), vault)
    assert told == ["65536", "done"] * 2


def test_a_repetition_is_not_stretched_again() -> None:
    """A device that needs longer than a recovery state lives would never end."""
    told: list[Argon2id] = []

    @contextmanager
    def watch(parameters: Argon2id) -> Iterator[None]:
        told.append(parameters)
        yield

    with Stretcher(Stretching(HEAVIEST, watch)) as stretcher:
        stretch = stretcher.of(RFC9106_SECOND)
        assert stretch(b"output") == stretch(b"output")
        assert stretcher.of(RFC9106_SECOND)(b"output") == stretch(b"output")
        assert stretch(b"other") != stretch(b"output")
    assert told == [RFC9106_SECOND] * 2


def test_ctrl_c_ends_a_wait_for_a_place() -> None:
    code = """
import os, signal, threading
from strongroom_protocol.opaque import ksf
for _ in range(os.cpu_count() or 1):
    ksf._places.__enter__()
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    ksf.Argon2id(1024, 1, 4)(b"x")
except KeyboardInterrupt:
    print("interrupted")
"""
    began = time.monotonic()
    assert run_limited(code) == "interrupted"
    assert time.monotonic() - began < 20
