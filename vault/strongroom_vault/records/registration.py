"""Registration: how a key takes its place in a record, and with which attempt limit. Pure.

The rules are part of those in `policy.py`, and `tests/support/attempt_model.py` checks both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from strongroom_vault.errors import KeyReplaced
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.policy import Decision, KeyStatus, all_used, key_status
from strongroom_vault.records.record import Absent, Active, Deleted, Destroyed, Record


@dataclass(frozen=True, slots=True)
class Limits:
    """Which attempt limits the settings allow.

    Attributes:
        default: for an account that had no key.
        lowest: that a client may ask for.
        highest: that a client may ask for.
    """

    default: int
    lowest: int
    highest: int


def unnamed_limit(record: Record, key_id: bytes, limits: Limits) -> int:
    """Return the attempt limit of a registration of `key_id` (16 bytes) that names none.

    It is that of the key which it replaces; where the settings no longer allow that one, the
    nearest that they do; where there is no key, the vault's own.
    """
    match record.state:
        case Active() as key if key.key_id == key_id:
            return key.attempt_limit  # a repetition of the registration that is there
        case Active() as key:
            return min(max(key.attempt_limit, limits.lowest), limits.highest)
        case Absent() | Destroyed() | Deleted():
            return limits.default


def register(record: Record, generation: int, key: Active) -> Decision[KeyStatus]:
    """Replace whatever there is by `key`, never tried yet; attempts already used stay used.

    After a destruction all attempts count as used, also under a higher limit.

    `generation` is the record's when the registration started: an old registration cannot be
    replayed over a newer key, nor after a destruction or deletion. A repetition of the registration
    that is already there changes nothing.
    """
    if isinstance(record.state, Active) and record.state.key_id == key.key_id:
        if not _same_registration(record.state, key):
            return Decision(record, KeyReplaced("this registration is already finished"))
        return Decision(record, key_status(record, record.state, wait_until=None))
    if record.generation != generation:
        return Decision(record, KeyReplaced("the key changed while this registration was made"))
    used = all_used(record) if isinstance(record.state, Destroyed) else record.used
    charged = max(record.charged, used)
    record = Record(charged, charged - used, record.generation + 1, key, record.loss_epoch)
    return Decision(record, key_status(record, key, wait_until=None), EventKind.REGISTERED)


def _same_registration(there: Active, repeated: Active) -> bool:
    """Everything that a registration says is equal, whatever happened to the key since."""
    is_same_key = there.oprf_key.public_key == repeated.oprf_key.public_key
    return there == replace(
        repeated,
        # A rotation may have wrapped the same key anew.
        oprf_key=there.oprf_key if is_same_key else repeated.oprf_key,
        created_at=there.created_at,
        last_attempt=there.last_attempt,
        last_started_at=there.last_started_at,
    )
