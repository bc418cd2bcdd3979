"""Every sequence of steps of the small world in `support/attempt_model.py`, and broken rules.

Covered: replayed starts, finishes and registrations, deletions, passing time, failing evaluations,
crashes between any two steps, restored databases that the anchor lets in, losses that an operator
accepts, registrations that name higher and lower limits.
Not covered here: several accounts (records do not know each other), time inside a recovery state's
life.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from attempt_model import (
    CHANGING_LIMITS,
    Violation,
    World,
    accepted_world,
    all_rules,
    explore,
    first_world,
    guessed_world,
    lost_world,
    lowered_world,
)

from strongroom_vault.records import policy, registration, upkeep
from strongroom_vault.records.record import Active, LastAttempt, Record

if TYPE_CHECKING:
    from types import SimpleNamespace

    from strongroom_vault.records.policy import Charge, Decision, KeyStatus

DEPTH = 6


def test_the_rule_holds_for_every_sequence() -> None:
    assert explore(DEPTH) > 40_000


def give_back_after_repetition(record: Record, charge: Charge) -> Decision[bool]:
    key = record.state
    if isinstance(key, Active) and key.last_attempt is not None:
        element = key.last_attempt.blinded_element
        key = replace(key, last_attempt=LastAttempt(element, is_final=False))
        record = replace(record, state=key)
    return policy.give_back(record, charge)


def register_any_generation(record: Record, _generation: int, key: Active) -> Decision[KeyStatus]:
    return registration.register(record, record.generation, key)


def keep_serials_after_a_loss(record: Record, loss_epoch: int) -> Record:
    lost = upkeep.after_loss(record, loss_epoch)
    assert isinstance(lost.state, Active)
    used = lost.state.attempt_limit - policy.attempts_left(lost, lost.state)
    charged = max(record.charged, used)
    return replace(lost, charged=charged, cleared=charged - used)


def forget_what_a_lower_limit_cuts_off(
    record: Record, generation: int, key: Active
) -> Decision[KeyStatus]:
    """The rule of an earlier version."""
    decision = registration.register(record, generation, key)
    if decision.record.generation == record.generation:
        return decision
    used = min(record.used, key.attempt_limit - 1)
    return replace(decision, record=replace(decision.record, cleared=record.charged - used))


def leave_one_of_this_limit_alone(record: Record, loss_epoch: int) -> Record:
    """The rule of an earlier version."""
    lost = upkeep.after_loss(record, loss_epoch)
    if not isinstance(record.state, Active):
        return lost
    used = max(record.used, record.state.attempt_limit - 1)
    return replace(lost, cleared=lost.charged - used)


LOWERED = all_rules(register=forget_what_a_lower_limit_cuts_off)
ACCEPTED = all_rules(after_loss=leave_one_of_this_limit_alone)


@pytest.mark.parametrize(
    ("rules", "start", "depth"),
    [
        pytest.param(
            all_rules(give_back=give_back_after_repetition), first_world(), 5, id="give back"
        ),
        pytest.param(
            all_rules(register=register_any_generation), guessed_world(), 4, id="generation"
        ),
        pytest.param(
            all_rules(after_loss=keep_serials_after_a_loss),
            lost_world(),
            4,
            id="serials after a loss",
        ),
        pytest.param(
            all_rules(after_loss=lambda record, _: record),
            replace(lost_world(), success=0),
            4,
            id="a loss",
        ),
        pytest.param(LOWERED, lowered_world(LOWERED), 5, id="a lower limit"),
        pytest.param(ACCEPTED, accepted_world(ACCEPTED), 5, id="a higher limit after a loss"),
    ],
)
def test_the_check_can_fail(rules: SimpleNamespace, start: World, depth: int) -> None:
    with pytest.raises(Violation):
        explore(depth, rules, start)


def test_the_rule_holds_after_guesses_too() -> None:
    assert explore(DEPTH, start=guessed_world()) > 1000


def test_the_rule_holds_after_accepted_losses_too() -> None:
    assert explore(DEPTH, start=lost_world()) > 1000


@pytest.mark.parametrize(
    ("start", "depth"),
    [
        pytest.param(replace(first_world(), limits=CHANGING_LIMITS), 5, id="from the first"),
        pytest.param(lowered_world(), 6, id="from a lowered one"),
        pytest.param(accepted_world(), 6, id="from an accepted loss"),
    ],
)
def test_the_rule_holds_whatever_limits_are_named(start: World, depth: int) -> None:
    assert explore(depth, start=start) > 10_000
