"""Sections 5 to 7 of docs/protocol.md over the wire: what each call does, and what its repetition.

Each test names its clauses in brackets. What needs two minutes to pass, a failing token or a lost
database is in tests/unit/vault/service and test_policy.py, the sizes and the
order of decisions in test_protocol_messages.py.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import grpc
import pytest
from quick_account import RIGHT, QuickAccount
from vault_process import make_softhsm, make_vault
from wire_client import Refused, WireClient, wire_client

from strongroom.wire import encode
from strongroom_protocol.opaque import client as opaque
from strongroom_protocol.opaque.messages import KE2
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vault_process import VaultProcess

    from strongroom_protocol.opaque.client import LoginSession

SUITE: Final = pb.SUITE_OPAQUE_3DH_P256_SHA256
CODE: Final = grpc.StatusCode
LIMIT: Final = 3
REPORT: Final = bytes(32)
GET_KEY: Final = pb.GetKeyRequest(suite=SUITE)
DELETE_KEY: Final = pb.DeleteKeyRequest(suite=SUITE)
BACK_OFF_S: Final = 60


class Owner:
    """An account of a vault: its registrations, guesses and proofs, message by message."""

    def __init__(self, vault: VaultProcess, name: str, wire: WireClient) -> None:
        self.vault = vault
        self.wire = wire
        self.quick = QuickAccount(name)

    def begin(self, limit: int = LIMIT) -> pb.FinishRegistrationRequest:
        """Start a registration of the password RIGHT; return what finishes it."""
        finish: Any = encode(self.quick.begin(self.vault)[0])
        finish.attempt_limit = limit
        assert isinstance(finish, pb.FinishRegistrationRequest)
        return finish

    def register(self, limit: int = LIMIT) -> pb.FinishRegistrationResponse:
        """Register a key."""
        registered: pb.FinishRegistrationResponse = self.wire.call(self.begin(limit))
        return registered

    def start(self, ke1: bytes | None = None) -> pb.StartRecoveryResponse:
        """An attempt, with a wrong password unless `ke1` is given."""
        guess = guess_of(b"wrong")[0] if ke1 is None else ke1
        request = pb.StartRecoveryRequest(suite=SUITE, ke1=guess)
        started: pb.StartRecoveryResponse = self.wire.call(request)
        return started

    def finish(self, started: pb.StartRecoveryResponse, ke3: bytes = REPORT) -> bytes:
        """The sealed backup key; without `ke3` the report of a failure."""
        request = pb.FinishRecoveryRequest(
            suite=SUITE, recovery_state=started.recovery_state, ke3=ke3
        )
        released: bytes = self.wire.call(request).sealed_backup_key
        return released

    def proof(self, session: LoginSession, started: pb.StartRecoveryResponse) -> bytes:
        """KE3 of the right password."""
        ke2 = KE2.decode(started.ke2)
        return opaque.generate_ke3(session, ke2, self.quick.identities, bytes)[0].encode()

    def succeed(self) -> None:
        """One recovery with the right password."""
        ke1, session = guess_of(RIGHT)
        started = self.start(ke1)
        assert len(self.finish(started, self.proof(session, started))) == 60

    def found(self) -> pb.GetKeyResponse:
        """What GetKey says."""
        answer: pb.GetKeyResponse = self.wire.call(GET_KEY)
        return answer


def guess_of(password: bytes) -> tuple[bytes, LoginSession]:
    ke1, session = opaque.generate_ke1(password)
    return ke1.encode(), session


def refused(call: Callable[[], object], reason: str, code: grpc.StatusCode) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    assert (error.value.reason, error.value.code) == (reason, code), str(error.value)
    return error.value


def wrong(call: Callable[[], object], left: int) -> None:
    """The answer is WRONG_PASSWORD with so many attempts left."""
    error = refused(call, "WRONG_PASSWORD", CODE.PERMISSION_DENIED)
    assert error.metadata == {"attempts_left": str(left)}


def replaced(call: Callable[[], object]) -> None:
    refused(call, "KEY_REPLACED", CODE.ABORTED)


@pytest.fixture
def owner(shared_vault: VaultProcess, account: str) -> Iterator[Owner]:
    with wire_client(shared_vault, account) as wire:
        yield Owner(shared_vault, account, wire)


def test_a_registration_and_its_answers(owner: Owner) -> None:
    """[2.8, 5.2, 5.4, 5.5, 12.7]"""
    vault = owner.wire.call(pb.GetVaultRequest(suite=SUITE))
    request, _ = opaque.create_registration_request(RIGHT)
    start = pb.StartRegistrationRequest(suite=SUITE, registration_request=request.encode())
    started = owner.wire.call(start)
    assert started.registration_response[33:] == vault.identity_public_key
    assert owner.found().WhichOneof("state") == "absent"
    finish = owner.begin()
    registered = owner.wire.call(finish)
    assert (registered.attempt_limit, registered.attempts_left) == (LIMIT, LIMIT)
    assert registered.created_at.ToSeconds() == pytest.approx(time.time(), abs=30)
    active = owner.found().active
    assert active.key_id == registered.key_id != started.key_id
    assert active.attempt_limit == LIMIT
    assert active.created_at == registered.created_at
    assert not active.HasField("wait_until")
    recovery = owner.start()
    assert recovery.key_id == registered.key_id
    assert active.stretching == recovery.stretching == started.stretching


def test_an_earlier_start_is_good_until_one_is_finished(owner: Owner) -> None:
    """[5.7, 8.4] StartRegistration repeated gives another key id, and forgets nothing yet."""
    first, second = owner.begin(), owner.begin()
    registered = owner.wire.call(first)
    replaced(lambda: owner.wire.call(second))
    assert owner.found().active.key_id == registered.key_id
    owner.succeed()


def test_a_registration_that_was_applied_is_repeated(owner: Owner) -> None:
    """[2.8, 5.7] The same answer, with the attempts that are left by now, down to none."""
    finish = owner.begin()
    registered = owner.wire.call(finish)
    again = owner.wire.call(finish)
    assert again == registered
    for left in (2, 1, 0):
        owner.start()
        again = owner.wire.call(finish)
        assert again.attempts_left == left
        again.attempts_left = registered.attempts_left
        assert again == registered
    finish.sealed_backup_key = bytes(60)
    replaced(lambda: owner.wire.call(finish))


@pytest.mark.parametrize("end", ["replaced", "deleted", "destroyed"])
def test_a_registration_from_before_the_end_of_a_key(owner: Owner, end: str) -> None:
    """[5.7] Neither one that was applied nor one that was only started applies any more."""
    applied = owner.begin()
    owner.wire.call(applied)
    started = owner.begin()
    if end == "replaced":
        owner.register()
    elif end == "deleted":
        owner.wire.call(DELETE_KEY)
    else:
        destroy(owner)
    before = owner.found()
    for finish in (applied, started):
        replaced(lambda: owner.wire.call(finish))  # noqa: B023
    assert owner.found() == before


def test_the_same_blinded_message_is_charged_once(owner: Owner) -> None:
    """[6.7] However often, whatever stands behind the first 33 bytes, each with a new state."""
    owner.register()
    ke1, session = guess_of(RIGHT)
    first = owner.start(ke1)
    other_rest = ke1[:33] + guess_of(b"other")[0][33:]
    again = owner.start(other_rest)
    last = owner.start(ke1)
    assert first.attempts_left == again.attempts_left == last.attempts_left == LIMIT - 1
    assert len({first.recovery_state, again.recovery_state, last.recovery_state}) == 3
    assert first.ke2[:33] == again.ke2[:33] == last.ke2[:33]
    for answer in (first, last):  # each state goes with its own KE2
        assert owner.finish(answer, owner.proof(session, answer))


def test_what_is_remembered_is_the_last_charged_attempt_of_the_key(owner: Owner) -> None:
    """[6.7] Decided or not; not an earlier one; not of an earlier key."""
    owner.register(limit=10)
    a, b = guess_of(b"a")[0], guess_of(b"b")[0]
    assert owner.start(a).attempts_left == 9
    reported = owner.start(a)
    wrong(lambda: owner.finish(reported), 9)
    assert owner.start(a).attempts_left == 9
    assert owner.start(b).attempts_left == 8
    assert owner.start(a).attempts_left == 7
    owner.register(limit=10)
    assert owner.start(a).attempts_left == 6
    owner.wire.call(DELETE_KEY)
    owner.register(limit=10)
    assert owner.start(a).attempts_left == 5


def test_a_decided_attempt_is_repeated_without_a_charge(owner: Owner) -> None:
    """[6.6, 6.7] After a success all attempts are there, and the repetition takes none."""
    owner.register()
    ke1, session = guess_of(RIGHT)
    started = owner.start(ke1)
    owner.finish(started, owner.proof(session, started))
    assert owner.start(ke1).attempts_left == LIMIT
    assert owner.wire.left() == LIMIT


def test_the_last_attempt_is_repeated_and_released(owner: Owner) -> None:
    """[6.5, 6.7, 7.1] At the limit, with none left, the right password still gets the key."""
    owner.register()
    owner.start()
    owner.start()
    ke1, session = guess_of(RIGHT)
    assert owner.start(ke1).attempts_left == 0
    assert owner.wire.left() == 0
    started = owner.start(ke1)
    assert owner.finish(started, owner.proof(session, started))
    assert owner.wire.left() == LIMIT


def test_a_report_of_failure(owner: Owner) -> None:
    """[6.4, 6.6] It costs nothing more, however often."""
    owner.register()
    started = owner.start()
    for _ in range(3):
        wrong(lambda: owner.finish(started), LIMIT - 1)
    wrong(lambda: owner.finish(started, b"\1" * 32), LIMIT - 1)


@pytest.mark.parametrize("end", ["replaced", "deleted"])
def test_a_report_or_a_proof_for_a_key_that_is_gone(owner: Owner, end: str) -> None:
    """[6.6, 8.1] KEY_REPLACED, which says nothing about the password."""
    owner.register()
    ke1, session = guess_of(RIGHT)
    started = owner.start(ke1)
    proof = owner.proof(session, started)
    if end == "replaced":
        owner.register()
    else:
        owner.wire.call(DELETE_KEY)
    replaced(lambda: owner.finish(started))
    replaced(lambda: owner.finish(started, proof))


def test_a_success_clears_the_attempts_up_to_its_own(owner: Owner) -> None:
    """[6.5, 6.6]"""
    owner.register(limit=10)
    owner.start()
    ke1, session = guess_of(RIGHT)
    started = owner.start(ke1)
    owner.start()
    proof = owner.proof(session, started)
    for _ in range(2):
        assert len(owner.finish(started, proof)) == 60
        assert owner.wire.left() == 9


def destroy(owner: Owner) -> None:
    """Use all attempts, and one more."""
    for _ in range(LIMIT):
        owner.start()
    refused(owner.start, "KEY_DESTROYED", CODE.FAILED_PRECONDITION)


@pytest.mark.parametrize("by", ["report", "attempt"])
def test_destruction(owner: Owner, by: str) -> None:
    """[6.10, 7.1, 7.2, 8.1] At the limit, by a failure or another attempt; and it stays so."""
    owner.register()
    started = [owner.start() for _ in range(LIMIT)][-1]
    last_step = (lambda: owner.finish(started)) if by == "report" else owner.start
    calls = (last_step, owner.start, lambda: owner.finish(started), lambda: delete(owner))
    for call in calls:
        error = refused(call, "KEY_DESTROYED", CODE.FAILED_PRECONDITION)
        assert set(error.metadata) == {"destroyed_at", "cause"}
        assert error.metadata["cause"] == "attempt_limit"
        destroyed = owner.found().destroyed
        assert destroyed.destroyed_at.ToMilliseconds() == int(error.metadata["destroyed_at"])
        assert destroyed.cause == pb.DESTRUCTION_CAUSE_ATTEMPT_LIMIT
    assert owner.register().attempts_left == 1


def delete(owner: Owner) -> None:
    owner.wire.call(DELETE_KEY)


def test_another_devices_report_does_not_destroy_the_key_under_the_last_attempt(
    owner: Owner,
) -> None:
    """[6.10] Only the last attempt's failure does: the right password may be on its way."""
    owner.register()
    mistyped = owner.start()
    owner.start()
    ke1, session = guess_of(RIGHT)
    last = owner.start(ke1)
    wrong(lambda: owner.finish(mistyped), 0)
    assert owner.finish(last, owner.proof(session, last))
    assert owner.wire.left() == LIMIT


@pytest.fixture(scope="module")
def patient_vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultProcess]:
    """A vault that makes attempts wait, and that a test may start anew with other settings."""
    folder = tmp_path_factory.mktemp("patient")
    softhsm = make_softhsm(folder / "token")
    vault = make_vault(folder / "vault", softhsm, vault={"back_off_s": [BACK_OFF_S]})
    with vault.start() as running:
        yield running


def test_an_attempt_that_must_wait(patient_vault: VaultProcess) -> None:
    """[6.11, 8.1]"""
    with wire_client(patient_vault, "alice") as wire:
        owner = Owner(patient_vault, "alice", wire)
        owner.register(limit=10)
        ke1, session = guess_of(RIGHT)
        owner.start()
        owner.start()
        assert not owner.found().active.HasField("wait_until")
        started = owner.start(ke1)
        until = owner.found().active.wait_until
        for _ in range(2):
            error = refused(owner.start, "WAIT", CODE.RESOURCE_EXHAUSTED)
            assert error.retry_after is not None
            assert time.time() + error.retry_after == pytest.approx(until.ToSeconds(), abs=2)
            assert BACK_OFF_S - 20 < error.retry_after <= BACK_OFF_S
        assert owner.found().active.wait_until == until
        assert owner.wire.left() == 7
        assert owner.start(ke1).attempts_left == 7  # a repetition never waits
        assert owner.finish(started, owner.proof(session, started))
        assert not owner.found().active.HasField("wait_until")
        owner.start()


def test_a_registration_ends_a_wait_and_forgets_no_attempt(patient_vault: VaultProcess) -> None:
    """[5.5, 6.11] The first attempt at a new key does not wait, the next one does."""
    with wire_client(patient_vault, "carol") as wire:
        owner = Owner(patient_vault, "carol", wire)
        owner.register(limit=10)
        owner.start()
        owner.start()
        ke1, _ = guess_of(b"third")
        owner.start(ke1)
        until = owner.found().active.wait_until
        owner.start(ke1)  # a repetition does not wait, and the time counts from it
        assert owner.found().active.wait_until.ToNanoseconds() > until.ToNanoseconds()
        refused(owner.start, "WAIT", CODE.RESOURCE_EXHAUSTED)
        assert owner.register(limit=10).attempts_left == 7
        assert not owner.found().active.HasField("wait_until")
        assert owner.start().attempts_left == 6
        assert owner.found().active.HasField("wait_until")
        refused(owner.start, "WAIT", CODE.RESOURCE_EXHAUSTED)


def test_a_key_keeps_its_stretching(patient_vault: VaultProcess) -> None:
    """[3.4, 12.7] GetKey and StartRecovery tell the key's, GetVault that for new keys."""
    folder = patient_vault.folder
    with wire_client(patient_vault, "bob") as wire:
        Owner(patient_vault, "bob", wire).register()
    assert patient_vault.stop() == 0
    with folder.settings_file.open("a") as settings:
        settings.write("\n[stretching]\npasses = 5\n")
    with folder.start() as vault, wire_client(vault, "bob") as wire:
        owner = Owner(vault, "bob", wire)
        assert wire.call(pb.GetVaultRequest(suite=SUITE)).stretching.passes == 5
        assert owner.found().active.stretching.passes == owner.start().stretching.passes == 3
        owner.register()
        assert owner.found().active.stretching.passes == owner.start().stretching.passes == 5


def test_a_deletion(owner: Owner) -> None:
    """[7.1, 7.2] Attempts stay counted for a later registration; looks are not charged."""
    refused(lambda: delete(owner), "NO_KEY", CODE.NOT_FOUND)
    owner.register(limit=10)
    owner.start()
    owner.start()
    assert owner.wire.left() == owner.wire.left() == 8
    delete(owner)
    assert owner.found().WhichOneof("state") == "absent"
    refused(lambda: delete(owner), "NO_KEY", CODE.NOT_FOUND)
    refused(owner.start, "NO_KEY", CODE.NOT_FOUND)
    assert owner.register(limit=10).attempts_left == 8
