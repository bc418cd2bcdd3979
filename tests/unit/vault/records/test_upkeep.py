"""Accepted losses, rewrapping, keys that leave their records."""

from __future__ import annotations

from dataclasses import replace

import pytest
from records import (
    DELETED,
    DESTROYED,
    KEY,
    LIMIT,
    NOW,
    active,
)

from strongroom_vault.records import policy, upkeep
from strongroom_vault.records.policy import Decision, KeyStatus, Rules
from strongroom_vault.records.record import Active, Record

RULES = Rules()
ABSENT = Record()
GONE = Record(7, 2, 3, DESTROYED)
REMOVED = Record(7, 2, 3, DELETED)


class TestDroppedKey:
    other = active(oprf_key=replace(KEY.oprf_key, public_key=b"\x03" + b"o" * 32))

    @pytest.mark.parametrize("after", [GONE, REMOVED, other])
    def test_a_key_that_is_gone(self, after: Record) -> None:
        assert upkeep.dropped_key(active(), after) == KEY.oprf_key

    @pytest.mark.parametrize("before", [ABSENT, GONE, REMOVED])
    def test_no_key_before(self, before: Record) -> None:
        assert upkeep.dropped_key(before, active()) is None

    def test_the_same_key_stays(self) -> None:
        assert upkeep.dropped_key(active(), active(used=3)) is None


class TestRewrap:
    new = replace(KEY.oprf_key, wrapped=b"rewrapped" * 8, wrap_key=1)

    def test_the_same_key_under_another_wrap_key(self) -> None:
        decision = upkeep.rewrap(active(used=3), KEY.oprf_key, self.new)
        assert decision == Decision(active(used=3, oprf_key=self.new), outcome=True)
        assert upkeep.dropped_key(active(used=3), decision.record) is None

    @pytest.mark.parametrize("record", [ABSENT, GONE, REMOVED, active(oprf_key=new)])
    def test_a_record_that_has_changed_is_left_alone(self, record: Record) -> None:
        decision = upkeep.rewrap(record, KEY.oprf_key, self.new)
        assert decision == Decision(record, outcome=False)


class TestAfterLoss:
    first = 9 * upkeep.SERIALS_PER_EPOCH

    @pytest.mark.parametrize("used", [0, 5, LIMIT - 1, LIMIT])
    def test_at_most_one_attempt_is_left(self, used: int) -> None:
        record = upkeep.after_loss(active(used=used), 9)
        status = policy.status(record, NOW, RULES).outcome
        assert isinstance(status, KeyStatus)
        assert status.attempts_left == (0 if used == LIMIT else 1)
        assert (record.charged, record.generation, record.loss_epoch) == (self.first, self.first, 9)
        assert isinstance(record.state, Active)
        assert record.state.last_attempt is None

    def test_the_same_loss_counts_once(self) -> None:
        record = upkeep.after_loss(active(), 9)
        assert upkeep.after_loss(record, 9) is record
        assert upkeep.after_loss(record, 8) is record

    @pytest.mark.parametrize("record", [ABSENT, GONE, REMOVED])
    def test_without_a_key_serials_move_all_the_same(self, record: Record) -> None:
        after = upkeep.after_loss(record, 9)
        assert after.state == record.state
        assert (after.charged, after.generation) == (self.first, self.first)
