"""What happens to records apart from what their owners ask: losses, rewrapping, dropped keys. Pure.

The rules are part of those in `policy.py`, and `tests/support/attempt_model.py` checks both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from strongroom_vault.records.policy import Decision, all_used, attempts_left
from strongroom_vault.records.record import Active, Record, StoredOprfKey

SERIALS_PER_EPOCH: Final = 2**16
"""More than one commit can give to one record, and than any attempt limit."""


def after_loss(record: Record, loss_epoch: int) -> Record:
    """Return the record after an operator accepted, at `loss_epoch`, that newer commits are lost.

    Nobody knows what was charged in them, so one attempt is left at most until the next success,
    also to keys that are yet to be registered. The remembered element is forgotten: its repetition
    might be a free guess. Serials and generations go on above all that a lost commit ever gave, so
    that no proof and no registration from a lost commit clears or replaces anything.
    """
    if record.loss_epoch >= loss_epoch:
        return record
    state = record.state
    if isinstance(state, Active):
        started_at = 0 if attempts_left(record, state) else state.last_started_at
        state = replace(state, last_attempt=None, last_started_at=started_at)
    first = loss_epoch * SERIALS_PER_EPOCH
    return Record(first, first - all_used(record), first, state, loss_epoch)


def rewrap(record: Record, old: StoredOprfKey, new: StoredOprfKey) -> Decision[bool]:
    """Put the same OPRF key under another wrap key, if the record still has it under the old."""
    state = record.state
    if not isinstance(state, Active) or state.oprf_key != old:
        return Decision(record, outcome=False)
    return Decision(replace(record, state=replace(state, oprf_key=new)), outcome=True)


def dropped_key(before: Record, after: Record) -> StoredOprfKey | None:
    """Return the OPRF key that a change took out of a record, if it took one."""
    old, new = before.state, after.state
    if not isinstance(old, Active):
        return None
    if isinstance(new, Active) and new.oprf_key.public_key == old.oprf_key.public_key:
        return None
    return old.oprf_key
