"""The life of a record: the table of docs/design.md section 4, cell by cell, and its rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import (
    DELETED,
    DESTROYED,
    ELEMENT,
    KEY,
    KEY_ID,
    LIMIT,
    NOW,
    OTHER_ELEMENT,
    active,
    with_last,
)

from strongroom_protocol.labels import RECOVERY_STATE_LIFETIME_MS
from strongroom_vault.errors import (
    KeyDestroyed,
    KeyReplaced,
    NoKey,
    Refusal,
    StateExpired,
    Wait,
    WrongPassword,
)
from strongroom_vault.records import policy
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Attempt, Charge, Decision, KeyStatus, Rules
from strongroom_vault.records.record import Active, Deleted, Destroyed, LastAttempt, Record

RULES = Rules()
ABSENT = Record()
GONE = Record(7, 2, 3, DESTROYED)
REMOVED = Record(7, 2, 3, DELETED)
LATER = NOW + RECOVERY_STATE_LIFETIME_MS + 1
BACK_OFF = Rules(back_off=(30, 120))


def start(record: Record, element: bytes = OTHER_ELEMENT, now: int = NOW) -> Decision[Attempt]:
    return policy.start_recovery(record, element, now, RULES)


def finish(record: Record, *, proven: bool, serial: int | None = None) -> Decision[bytes]:
    return policy.finish_recovery(
        record, KEY_ID, record.charged if serial is None else serial, proven=proven, now=NOW
    )


def attempt_of(decision: Decision[Attempt]) -> Attempt:
    assert isinstance(decision.outcome, Attempt)
    return decision.outcome


def refusal_of(decision: Decision[object], kind: type[Refusal]) -> Refusal:
    assert isinstance(decision.outcome, kind)
    return decision.outcome


class TestStart:
    @pytest.mark.parametrize("record", [ABSENT, REMOVED])
    def test_without_a_key(self, record: Record) -> None:
        decision = start(record)
        assert "no key" in str(refusal_of(decision, NoKey))
        assert decision.record == record

    def test_destroyed(self) -> None:
        decision = start(GONE)
        assert refusal_of(decision, KeyDestroyed).metadata == {
            "destroyed_at": str(DESTROYED.destroyed_at),
            "cause": "attempt_limit",
        }
        assert decision.record == GONE

    @pytest.mark.parametrize("used", range(LIMIT))
    def test_below_the_limit_charges_one(self, used: int) -> None:
        record = active(used)
        decision = start(record)
        attempt = attempt_of(decision)
        assert decision.record.used == used + 1
        assert decision.record.charged == attempt.serial == record.charged + 1
        assert attempt.attempts_left == LIMIT - used - 1
        assert attempt.charge == Charge(KEY_ID, attempt.serial, record.state.last_started_at)  # type: ignore[union-attr]
        assert attempt.key == decision.record.state
        assert attempt.key.last_attempt == LastAttempt(OTHER_ELEMENT, is_final=False)
        assert attempt.key.last_started_at == attempt.started_at == NOW
        assert decision.event is EventKind.ATTEMPT

    def test_at_the_limit_destroys(self) -> None:
        decision = start(active(LIMIT))
        refusal = refusal_of(decision, KeyDestroyed)
        assert refusal.metadata == {"destroyed_at": str(NOW), "cause": "attempt_limit"}
        assert decision.record == Record(LIMIT, 0, 2, Destroyed(NOW, DESTROYED.cause))
        assert decision.event is EventKind.DESTROYED

    @pytest.mark.parametrize("used", [1, LIMIT])
    def test_a_repetition_is_not_charged_and_is_final(self, used: int) -> None:
        record = active(used, last_started_at=NOW - 5)
        decision = start(record, ELEMENT)
        attempt = attempt_of(decision)
        assert (decision.record.charged, decision.record.used) == (record.charged, used)
        assert attempt.charge is None
        assert attempt.serial == record.charged
        assert attempt.attempts_left == LIMIT - used
        assert attempt.key.last_attempt == LastAttempt(ELEMENT, is_final=True)
        assert attempt.started_at == attempt.key.last_started_at == NOW
        assert decision.event is EventKind.REPETITION

    def test_a_repetition_of_an_earlier_element_is_charged(self) -> None:
        record = start(active(1), OTHER_ELEMENT).record
        assert attempt_of(start(record, ELEMENT)).charge is not None

    def test_at_the_limit_a_repetition_in_time_still_answers_and_starts_the_time_again(
        self,
    ) -> None:
        almost = NOW + RECOVERY_STATE_LIFETIME_MS
        record = start(active(LIMIT), ELEMENT, almost).record
        late = almost + RECOVERY_STATE_LIFETIME_MS
        assert attempt_of(start(record, ELEMENT, late)).charge is None

    def test_a_spent_record_is_destroyed_even_by_a_repetition(self) -> None:
        decision = start(active(LIMIT), ELEMENT, LATER)
        assert refusal_of(decision, KeyDestroyed).metadata["destroyed_at"] == str(LATER)
        assert decision.record.state == Destroyed(LATER, DESTROYED.cause)

    def test_what_the_vault_was_down_for_does_not_count_as_time(self) -> None:
        rules = Rules(serving_since=LATER)
        decision = policy.start_recovery(active(LIMIT), ELEMENT, LATER, rules)
        assert attempt_of(decision).charge is None

    def test_a_lower_limit_of_the_key_counts(self) -> None:
        assert attempt_of(start(active(2, attempt_limit=3))).attempts_left == 0
        refusal_of(start(active(3, attempt_limit=3)), KeyDestroyed)


class TestBackOff:
    @pytest.mark.parametrize(
        ("used", "seconds"), [(0, 0), (2, 0), (3, 30), (4, 120), (5, 120), (9, 120)]
    )
    def test_waits_from_the_third_failure_on(self, used: int, seconds: int) -> None:
        record = active(used)
        until = NOW + seconds * 1000
        if seconds:
            early = policy.start_recovery(record, OTHER_ELEMENT, until - 1, BACK_OFF)
            waiting = refusal_of(early, Wait)
            assert isinstance(waiting, Wait)
            assert "must wait" in str(waiting)
            assert waiting.retry_after == pytest.approx(0.001)
            assert early.record == record
        attempt_of(policy.start_recovery(record, OTHER_ELEMENT, until, BACK_OFF))

    def test_a_repetition_never_waits(self) -> None:
        attempt_of(policy.start_recovery(active(5), ELEMENT, NOW, BACK_OFF))

    def test_a_refused_start_makes_no_wait_longer(self) -> None:
        record = active(3)
        for second in range(30):
            early = policy.start_recovery(record, OTHER_ELEMENT, NOW + second * 1000, BACK_OFF)
            assert early.record == record

    def test_a_clock_that_was_set_back_ends_the_waiting(self) -> None:
        attempt_of(policy.start_recovery(active(5), OTHER_ELEMENT, NOW - 1, BACK_OFF))

    def test_a_given_back_attempt_gives_the_waiting_back(self) -> None:
        before = active(3)
        attempt = attempt_of(policy.start_recovery(before, OTHER_ELEMENT, NOW + 30_000, BACK_OFF))
        charged = policy.start_recovery(before, OTHER_ELEMENT, NOW + 30_000, BACK_OFF).record
        assert attempt.charge is not None
        after = policy.give_back(charged, attempt.charge).record
        attempt_of(policy.start_recovery(after, OTHER_ELEMENT, NOW + 30_000, BACK_OFF))

    def test_the_status_tells(self) -> None:
        status = policy.status(active(3), NOW, BACK_OFF).outcome
        assert isinstance(status, KeyStatus)
        assert status.wait_until == NOW + 30_000
        status = policy.status(active(3), NOW + 30_000, BACK_OFF).outcome
        assert isinstance(status, KeyStatus)
        assert status.wait_until is None


class TestGiveBack:
    def charged(self) -> tuple[Record, Charge]:
        decision = start(active(4))
        charge = attempt_of(decision).charge
        assert charge is not None
        return decision.record, charge

    def test_undoes_the_charge_and_forgets_the_element(self) -> None:
        record, charge = self.charged()
        decision = policy.give_back(record, charge)
        assert decision == Decision(with_last(active(4), None), True, EventKind.GIVEN_BACK)  # noqa: FBT003 -- an outcome
        assert attempt_of(start(decision.record, OTHER_ELEMENT)).charge is not None

    def test_not_twice(self) -> None:
        record, charge = self.charged()
        given_back = policy.give_back(record, charge).record
        assert policy.give_back(given_back, charge) == Decision(given_back, outcome=False)

    def test_not_after_a_repetition_was_accepted(self) -> None:
        record, charge = self.charged()
        repeated = start(record, OTHER_ELEMENT).record
        assert policy.give_back(repeated, charge) == Decision(repeated, outcome=False)

    def test_not_after_a_later_attempt(self) -> None:
        record, charge = self.charged()
        later = start(record, b"\x02" + b"z" * 32).record
        assert policy.give_back(later, charge) == Decision(later, outcome=False)

    def test_not_of_another_key(self) -> None:
        record, charge = self.charged()
        assert isinstance(record.state, Active)
        other = replace(record, state=replace(record.state, key_id=b"o" * 16))
        assert policy.give_back(other, charge) == Decision(other, outcome=False)

    def test_not_after_a_success_cleared_it(self) -> None:
        record, charge = self.charged()
        cleared = finish(record, proven=True).record
        assert policy.give_back(cleared, charge) == Decision(cleared, outcome=False)

    @pytest.mark.parametrize("record", [ABSENT, GONE, REMOVED])
    def test_not_without_a_key(self, record: Record) -> None:
        charge = Charge(KEY_ID, record.charged, 0)
        assert policy.give_back(record, charge) == Decision(record, outcome=False)


class TestFinish:
    @pytest.mark.parametrize("record", [ABSENT, REMOVED])
    @pytest.mark.parametrize("proven", [True, False])
    def test_without_a_key(self, record: Record, proven: bool) -> None:  # noqa: FBT001
        decision = finish(record, proven=proven)
        assert "earlier key" in str(refusal_of(decision, KeyReplaced))
        assert decision.record == record

    @pytest.mark.parametrize("proven", [True, False])
    def test_destroyed(self, proven: bool) -> None:  # noqa: FBT001
        decision = finish(GONE, proven=proven)
        refusal_of(decision, KeyDestroyed)
        assert decision.record == GONE

    @pytest.mark.parametrize("used", [1, LIMIT])
    def test_a_proof_releases_and_clears(self, used: int) -> None:
        decision = finish(active(used), proven=True)
        assert decision.outcome == KEY.sealed_backup_key
        assert decision.record.used == 0
        assert decision.event is EventKind.RELEASED

    def test_a_proof_clears_up_to_its_own_attempt_alone(self) -> None:
        decision = finish(active(5), proven=True, serial=2)
        assert decision.record.used == 3

    def test_a_replayed_proof_releases_again_and_clears_nothing(self) -> None:
        record = active(2, cleared=5)
        decision = finish(record, proven=True, serial=4)
        assert decision.outcome == KEY.sealed_backup_key
        assert decision.record == record

    def test_a_wrong_proof_below_the_limit(self) -> None:
        record = active(4)
        decision = finish(record, proven=False)
        wrong = refusal_of(decision, WrongPassword)
        assert wrong.metadata == {"attempts_left": "6"}
        assert decision.record == record
        assert decision.event is EventKind.WRONG_PASSWORD

    def test_a_wrong_proof_at_the_limit_destroys(self) -> None:
        decision = finish(active(LIMIT), proven=False)
        refusal_of(decision, KeyDestroyed)
        assert decision.record.state == Destroyed(NOW, DESTROYED.cause)

    def test_a_wrong_proof_of_an_earlier_attempt_destroys_nothing(self) -> None:
        record = active(LIMIT)
        decision = finish(record, proven=False, serial=LIMIT - 1)
        assert refusal_of(decision, WrongPassword).metadata == {"attempts_left": "0"}
        assert decision.record == record

    def test_another_key(self) -> None:
        decision = finish(active(1, key_id=b"o" * 16), proven=True)
        refusal_of(decision, KeyReplaced)

    def test_an_attempt_that_this_database_never_charged(self) -> None:
        record = active(1)
        decision = finish(record, proven=True, serial=2)
        assert "lost database" in str(refusal_of(decision, StateExpired))
        assert decision.record == record


class TestDelete:
    @pytest.mark.parametrize("used", [0, 4, LIMIT])
    def test_leaves_the_count_and_nothing_else(self, used: int) -> None:
        decision = policy.delete(active(used), NOW)
        assert decision == Decision(Record(used, 0, 2, Deleted(NOW)), None, EventKind.DELETED)

    @pytest.mark.parametrize("record", [ABSENT, REMOVED])
    def test_without_a_key(self, record: Record) -> None:
        decision = policy.delete(record, NOW)
        refusal_of(decision, NoKey)
        assert decision.record == record

    def test_destroyed(self) -> None:
        decision = policy.delete(GONE, NOW)
        refusal_of(decision, KeyDestroyed)
        assert decision.record == GONE


class TestStatusAndSweep:
    def test_of_an_active_key(self) -> None:
        record = active(4)
        decision = policy.status(record, NOW, RULES)
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.outcome.attempts_left == 6
        assert decision.record == record

    @pytest.mark.parametrize("record", [ABSENT, REMOVED])
    def test_of_nothing(self, record: Record) -> None:
        assert policy.status(record, NOW, RULES) == Decision(record, None)

    def test_of_a_destroyed_key(self) -> None:
        assert policy.status(GONE, NOW, RULES) == Decision(GONE, DESTROYED)

    def test_at_the_limit_while_a_state_may_be_alive(self) -> None:
        record = active(LIMIT)
        decision = policy.status(record, LATER - 1, RULES)
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.outcome.attempts_left == 0
        assert policy.sweep(record, LATER - 1, RULES) == Decision(record, outcome=False)

    def test_at_the_limit_with_no_state_alive_any_more(self) -> None:
        decision = policy.status(active(LIMIT), LATER, RULES)
        assert decision.outcome == Destroyed(LATER, DESTROYED.cause)
        assert decision.event is EventKind.DESTROYED
        swept = policy.sweep(active(LIMIT), LATER, RULES)
        assert swept == Decision(decision.record, outcome=True, event=EventKind.DESTROYED)
        assert isinstance(swept.record.state, Destroyed)

    @pytest.mark.parametrize("record", [ABSENT, active(LIMIT - 1), GONE, REMOVED])
    def test_the_sweep_leaves_the_rest_alone(self, record: Record) -> None:
        assert policy.sweep(record, LATER, RULES) == Decision(record, outcome=False)


class TestKeyOfRecovery:
    def test_the_same_key(self) -> None:
        record = active(used=2)
        assert policy.check_key(record, KEY_ID) == Decision(record, None)

    def test_another_key(self) -> None:
        decision = policy.check_key(active(), b"x" * 16)
        assert "earlier key" in str(refusal_of(decision, KeyReplaced))
        assert decision.record == active()

    @pytest.mark.parametrize(("record", "kind"), [(GONE, KeyDestroyed), (ABSENT, NoKey)])
    def test_no_key(self, record: Record, kind: type[Refusal]) -> None:
        decision = policy.check_key(record, KEY_ID)
        refusal_of(decision, kind)
        assert decision.record == record
