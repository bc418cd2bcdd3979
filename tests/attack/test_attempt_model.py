"""Every sequence of steps of the small world in `support/attempt_model.py`, and broken rules.

Covered: replayed starts, finishes and registrations, deletions, passing time, failing evaluations,
crashes between any two steps, restored databases that the anchor lets in, losses that an operator
accepts.
Not covered here: several accounts (records do not know each other), time inside a recovery state's
life.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from attempt_model import Violation, World, explore, first_world, guessed_world, lost_world

from strongroom_vault import policy
from strongroom_vault.record import Active, LastAttempt, Record

if TYPE_CHECKING:
    from strongroom_vault.policy import Charge, Decision, KeyStatus

DEPTH = 6


def test_the_rule_holds_for_every_sequence() -> None:
    assert explore(DEPTH) > 40_000


def broken(**functions: object) -> SimpleNamespace:
    return SimpleNamespace(**{**vars(policy), **functions})


def give_back_after_repetition(record: Record, charge: Charge) -> Decision[bool]:
    key = record.state
    if isinstance(key, Active) and key.last_attempt is not None:
        element = key.last_attempt.blinded_element
        key = replace(key, last_attempt=LastAttempt(element, is_final=False))
        record = replace(record, state=key)
    return policy.give_back(record, charge)


def register_any_generation(record: Record, _generation: int, key: Active) -> Decision[KeyStatus]:
    return policy.register(record, record.generation, key)


def keep_serials_after_a_loss(record: Record, loss_epoch: int) -> Record:
    lost = policy.after_loss(record, loss_epoch)
    charged = max(record.charged, lost.used)
    return replace(lost, charged=charged, cleared=charged - lost.used)


@pytest.mark.parametrize(
    ("rules", "start", "depth"),
    [
        pytest.param(
            broken(give_back=give_back_after_repetition), first_world(), 5, id="give back"
        ),
        pytest.param(broken(register=register_any_generation), guessed_world(), 4, id="generation"),
        pytest.param(
            broken(after_loss=keep_serials_after_a_loss), lost_world(), 4, id="serials after a loss"
        ),
        pytest.param(
            broken(after_loss=lambda record, _: record),
            replace(lost_world(), success=0),
            4,
            id="a loss",
        ),
    ],
)
def test_the_check_can_fail(rules: SimpleNamespace, start: World, depth: int) -> None:
    with pytest.raises(Violation):
        explore(depth, rules, start)


def test_the_rule_holds_after_guesses_too() -> None:
    assert explore(DEPTH, start=guessed_world()) > 1000


def test_the_rule_holds_after_accepted_losses_too() -> None:
    assert explore(DEPTH, start=lost_world()) > 1000
