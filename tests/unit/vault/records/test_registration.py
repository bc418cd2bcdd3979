"""Registration: the table of docs/design.md section 4, cell by cell, and its rules."""

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
)

from strongroom_protocol.labels import ATTEMPT_LIMIT_MAX, RECOVERY_STATE_LIFETIME_MS
from strongroom_vault.errors import (
    KeyDestroyed,
    KeyReplaced,
    Refusal,
)
from strongroom_vault.records import policy, registration, upkeep
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Attempt, Decision, KeyStatus, Rules
from strongroom_vault.records.record import Record, StoredOprfKey

RULES = Rules()
ABSENT = Record()
GONE = Record(7, 2, 3, DESTROYED)
REMOVED = Record(7, 2, 3, DELETED)
LATER = NOW + RECOVERY_STATE_LIFETIME_MS + 1


def start(record: Record, element: bytes = OTHER_ELEMENT, now: int = NOW) -> Decision[Attempt]:
    return policy.start_recovery(record, element, now, RULES)


def attempt_of(decision: Decision[Attempt]) -> Attempt:
    assert isinstance(decision.outcome, Attempt)
    return decision.outcome


def refusal_of(decision: Decision[object], kind: type[Refusal]) -> Refusal:
    assert isinstance(decision.outcome, kind)
    return decision.outcome


class TestRegister:
    NEW = replace(KEY, key_id=b"n" * 16)

    @pytest.mark.parametrize(
        ("record", "used"),
        [
            (ABSENT, 0),
            (active(0), 0),
            (active(4), 4),
            (active(LIMIT), LIMIT),
            (GONE, ATTEMPT_LIMIT_MAX),
            (Record(2, 0, 3, DESTROYED), ATTEMPT_LIMIT_MAX),
            (Record(3000, 2, 3, DESTROYED), 2998),
            (REMOVED, 5),
            (Record(30, 2, 3, DELETED), 28),
        ],
    )
    def test_replaces_and_carries_attempts_over(self, record: Record, used: int) -> None:
        decision = registration.register(record, record.generation, self.NEW)
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.outcome.attempts_left == max(1, LIMIT - used)
        assert decision.record.used == used
        assert decision.record.state == self.NEW
        assert decision.record.generation == record.generation + 1
        assert decision.record.charged >= record.charged
        assert decision.record.cleared >= 0
        assert decision.event is EventKind.REGISTERED

    def named(self, record: Record, *limits: int) -> Record:
        """The record after registrations with these limits."""
        for limit in limits:
            new = replace(KEY, key_id=record.generation.to_bytes(16, "big"), attempt_limit=limit)
            record = registration.register(record, record.generation, new).record
        return record

    @pytest.mark.parametrize(
        ("record", "limits", "left"),
        [
            (active(7), (3,), 1),
            (active(9), (3, 10), 1),
            (active(9), (3, 10) * 20, 1),
            (active(9), (3, 12), 3),
            (active(2, attempt_limit=3), (10,), 8),
            (policy.delete(active(9), NOW).record, (3, 10), 1),
            (GONE, (1, 3, 10, ATTEMPT_LIMIT_MAX), 1),
            (policy.delete(registration.register(GONE, 3, KEY).record, NOW).record, (1000,), 1),
            (upkeep.after_loss(active(0, attempt_limit=3), 9), (1000,), 1),
            (upkeep.after_loss(ABSENT, 9), (3, 1000), 1),
        ],
    )
    def test_limits_named_on_the_way_refill_nothing(
        self, record: Record, limits: tuple[int, ...], left: int
    ) -> None:
        record = self.named(record, *limits)
        decision = policy.status(record, LATER, RULES)  # with time, an untried key is not spent
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.outcome.attempts_left == left
        for number in range(left):
            attempt = start(record, bytes([number]) * 33)
            attempt_of(attempt)
            record = attempt.record
        refusal_of(start(record, b"e" * 33), KeyDestroyed)

    def test_the_attempt_that_a_registration_leaves_is_one(self) -> None:
        record = self.named(active(9), 3)
        charged = start(record)
        assert attempt_of(charged).attempts_left == 0
        charge = attempt_of(charged).charge
        assert charge is not None
        given_back = policy.give_back(charged.record, charge)
        assert given_back.outcome is True
        assert given_back.record == record  # never tried again, so one is left again
        assert attempt_of(start(charged.record)).charge is None  # the repetition is free
        wrong = policy.finish_recovery(charged.record, bytes(15) + b"\1", 10, proven=False, now=NOW)
        refusal_of(wrong, KeyDestroyed)
        proven = policy.finish_recovery(charged.record, bytes(15) + b"\1", 10, proven=True, now=NOW)
        assert proven.record.used == 0

    def test_a_success_under_a_lower_limit_gives_all_of_a_higher_one(self) -> None:
        record = start(self.named(active(9), 3)).record
        record = policy.finish_recovery(record, bytes(15) + b"\1", 10, proven=True, now=NOW).record
        status = policy.status(self.named(record, 10), NOW, RULES).outcome
        assert isinstance(status, KeyStatus)
        assert status.attempts_left == 10

    def test_a_clock_at_1970_gives_no_attempt(self) -> None:
        record = self.named(active(9), 3)
        record = start(record, now=0).record
        refusal_of(start(record, ELEMENT, now=0), KeyDestroyed)
        repeated = start(start(self.named(active(9), 3), now=0).record, now=0).record
        refusal_of(start(repeated, ELEMENT, now=0), KeyDestroyed)

    def test_an_accepted_loss_stays_accepted(self) -> None:
        """Accepted anew, it would take the new key's attempts once more."""
        record = upkeep.after_loss(active(2), 9)
        registered = registration.register(record, record.generation, self.NEW).record
        assert registered.loss_epoch == 9
        assert upkeep.after_loss(registered, 9) == registered

    def test_of_another_generation_is_refused(self) -> None:
        for record in (ABSENT, active(1), GONE, REMOVED):
            decision = registration.register(record, record.generation + 1, self.NEW)
            assert "the key changed" in str(refusal_of(decision, KeyReplaced))
            assert decision.record == record

    def test_a_repetition_changes_nothing(self) -> None:
        record = registration.register(active(4), 1, self.NEW).record
        record = start(record).record
        again = replace(self.NEW, created_at=NOW + 99)
        decision = registration.register(record, 1, again)
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.outcome.key.created_at == self.NEW.created_at
        assert decision.record == record

    def test_a_repetition_after_a_rotation_changes_nothing(self) -> None:
        """The record has the same OPRF key by now, under another wrap key."""
        made = registration.register(ABSENT, 0, self.NEW).record
        rewrapped = replace(self.NEW.oprf_key, wrapped=b"under another", wrap_key=1)
        record = replace(made, state=replace(self.NEW, oprf_key=rewrapped))
        decision = registration.register(record, 0, self.NEW)
        assert isinstance(decision.outcome, KeyStatus)
        assert decision.record == record

    @pytest.mark.parametrize(
        "change",
        [
            {"oprf_key": StoredOprfKey(b"\x02" + b"x" * 32, b"wrapped")},
            {"registration_record": b"x" * 129},
            {"sealed_backup_key": b"x" * 60},
            {"attempt_limit": 9},
        ],
    )
    def test_the_same_registration_with_other_contents_is_refused(
        self, change: dict[str, object]
    ) -> None:
        record = registration.register(ABSENT, 0, self.NEW).record
        decision = registration.register(record, 0, replace(self.NEW, **change))  # type: ignore[arg-type]
        assert "already finished" in str(refusal_of(decision, KeyReplaced))
        assert decision.record == record

    @pytest.mark.parametrize("end", ["destroyed", "deleted", "replaced"])
    def test_an_old_one_cannot_be_replayed(self, end: str) -> None:
        record = registration.register(ABSENT, 0, self.NEW).record
        if end == "destroyed":
            record = start(active(LIMIT, generation=record.generation)).record
        elif end == "deleted":
            record = policy.delete(record, NOW).record
        else:
            record = registration.register(record, record.generation, KEY).record
        decision = registration.register(record, 0, self.NEW)
        refusal_of(decision, KeyReplaced)
        assert decision.record == record


class TestUnnamedLimit:
    LIMITS = registration.Limits(default=10, lowest=3, highest=10)

    @pytest.mark.parametrize(
        ("record", "limit"),
        [
            (ABSENT, 10),
            (GONE, 10),
            (REMOVED, 10),
            (active(attempt_limit=3), 3),
            (active(attempt_limit=7), 7),
            (active(attempt_limit=2), 3),
            (active(attempt_limit=50), 10),
        ],
    )
    def test_is_kept_as_far_as_it_is_allowed(self, record: Record, limit: int) -> None:
        assert registration.unnamed_limit(record, b"n" * 16, self.LIMITS) == limit

    def test_of_a_repetition_is_its_own_although_it_is_not_allowed_any_more(self) -> None:
        assert registration.unnamed_limit(active(attempt_limit=50), KEY_ID, self.LIMITS) == 50
