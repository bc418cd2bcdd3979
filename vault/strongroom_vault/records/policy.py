"""The life of a record: what each attempt does to it. Pure: no I/O, no clock.

Every function takes a record, a request and the time, and returns a Decision: the new record and
the outcome, which is a Refusal where the request is refused. docs/design.md section 4 gives the
reason for each rule, and `tests/support/attempt_model.py` checks them all in miniature, with those
of `registration.py`; change rules and model only together.

The rule that all of this serves: between two successes of the owner, at most `attempt_limit`
distinct evaluations are charged, plus one for each registration, and none is answered uncharged.
Where registrations name different limits, it is the highest that the account had in that time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Generic, Never, TypeAlias, TypeVar

from strongroom_protocol.labels import ATTEMPT_LIMIT_MAX, RECOVERY_STATE_LIFETIME_MS
from strongroom_vault.errors import (
    Cause,
    KeyDestroyed,
    KeyReplaced,
    NoKey,
    Refusal,
    StateExpired,
    Wait,
    WrongPassword,
)
from strongroom_vault.records.events import EventKind
from strongroom_vault.records.record import (
    Absent,
    Active,
    Deleted,
    Destroyed,
    LastAttempt,
    Record,
)

ATTEMPTS_BEFORE_BACK_OFF = 3

Outcome_co = TypeVar("Outcome_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[Outcome_co]):
    """A new record (the old one where nothing changes), what to tell the caller, what to log."""

    record: Record
    outcome: Outcome_co | Refusal
    event: EventKind | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings and the start of the vault say about attempts.

    Attributes:
        back_off: seconds to wait after the third, fourth, ... failed attempt; the last one stands
            for all later ones; empty for no waiting.
        serving_since: when this vault started. What a client could not finish because the vault was
            down gets its time again.
    """

    back_off: tuple[int, ...] = ()
    serving_since: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """May be evaluated, once the record is committed.

    Attributes:
        key: what the attempt is about.
        serial: of the attempt.
        attempts_left: after this attempt, should it fail.
        started_at: when the recovery state's time began.
        charge: what `give_back` needs; None for a repetition, which was not charged.
    """

    key: Active
    serial: int
    attempts_left: int
    started_at: int
    charge: Charge | None


@dataclass(frozen=True, slots=True)
class Charge:
    """One charged attempt. `previously_started_at` undoes its waiting time."""

    key_id: bytes
    serial: int
    previously_started_at: int


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """The status of an active key. `wait_until` is None when an attempt may start now."""

    key: Active
    attempts_left: int
    wait_until: int | None


Status: TypeAlias = KeyStatus | Destroyed | None


def attempts_left(record: Record, key: Active) -> int:
    """How many more attempts may be charged to the record's key before one must succeed.

    What was used stays counted until a success, whatever limits are named on the way, so it may
    exceed the limit of this key. A key that was never tried has one attempt all the same: its owner
    must be able to prove the password.
    """
    was_tried = key.last_started_at != 0
    return max(key.attempt_limit - record.used, 0 if was_tried else 1)


def start_recovery(
    record: Record, blinded_element: bytes, now: int, rules: Rules
) -> Decision[Attempt]:
    """Charge one attempt with `blinded_element` (33 bytes), or say why not."""
    # 1. Without an active key there is nothing to try.
    key = _active(record)
    if isinstance(key, Refusal):
        return Decision(record, key)
    # 2. A spent key is destroyed before anything else: it must not be evaluated once more, not even
    #    for a repetition.
    if _is_spent(record, key, now, rules):
        return _destroy(record, now)
    # 3. The element of the last attempt again is a repetition. It is free, because the same
    #    evaluation teaches nothing new; and it comes before limit and waiting, so that a client
    #    whose answer was lost gets it even after the last attempt.
    if key.last_attempt is not None and key.last_attempt.blinded_element == blinded_element:
        return _repeat(record, key, now)
    # 4. Without attempts left, the key is destroyed.
    if not attempts_left(record, key):
        return _destroy(record, now)
    # 5. Too early: it must wait, and is not charged. After the limit, or waiting would keep a key
    #    alive that has no attempt left.
    if (until := _wait_until(record, key, now, rules)) is not None:
        return Decision(record, Wait("the next attempt must wait", (until - now) / 1000))
    # 6. Charge it. It may be evaluated once the record is committed and anchored.
    return _charge(record, key, blinded_element, now)


def give_back(record: Record, charge: Charge) -> Decision[bool]:
    """Undo a charge whose evaluation failed inside the vault; the outcome says if it was undone."""
    # Each condition closes a free guess: the same key, no later attempt, no accepted repetition
    # (whose answer may have left), and something to give back.
    key = record.state
    if (
        not isinstance(key, Active)
        or key.key_id != charge.key_id
        or record.charged != charge.serial
        or record.used == 0
        or key.last_attempt is None
        or key.last_attempt.is_final
    ):
        return Decision(record, outcome=False)
    key = replace(key, last_attempt=None, last_started_at=charge.previously_started_at)
    record = replace(record, charged=record.charged - 1, state=key)
    return Decision(record, outcome=True, event=EventKind.GIVEN_BACK)


def finish_recovery(
    record: Record, key_id: bytes, serial: int, *, proven: bool, now: int
) -> Decision[bytes]:
    """Release the sealed backup key (60 bytes) if the password of attempt `serial` was `proven`."""
    key = _active(record)
    if isinstance(key, KeyDestroyed):
        return Decision(record, key)
    if isinstance(key, Refusal) or key.key_id != key_id:
        return Decision(record, KeyReplaced("this recovery was started for an earlier key"))
    if serial > record.charged:
        return Decision(record, StateExpired("this recovery was started in a lost database"))
    if proven:
        cleared = max(record.cleared, serial)
        released = replace(record, cleared=cleared)
        return Decision(released, key.sealed_backup_key, EventKind.RELEASED)
    # At the limit only the failure of the last attempt destroys: that of an earlier one may come
    # from another device, while the right password is on its way.
    left = attempts_left(record, key)
    if not left and serial == record.charged:
        return _destroy(record, now)
    return Decision(record, WrongPassword(left), EventKind.WRONG_PASSWORD)


def delete(record: Record, now: int) -> Decision[None]:
    """Delete the key; a destroyed one stays destroyed."""
    key = _active(record)
    if isinstance(key, Refusal):
        return Decision(record, key)
    return Decision(_without_key(record, Deleted(now)), None, EventKind.DELETED)


def status(record: Record, now: int, rules: Rules) -> Decision[Status]:
    """Return what there is. A spent key is destroyed, as by any other request."""
    swept = sweep(record, now, rules)
    record = swept.record
    match record.state:
        case Active() as key:
            return Decision(record, key_status(record, key, _wait_until(record, key, now, rules)))
        case Destroyed() as destroyed:
            return Decision(record, destroyed, swept.event)
        case Absent() | Deleted():
            return Decision(record, None)


def sweep(record: Record, now: int, rules: Rules) -> Decision[bool]:
    """Destroy a key that can never be recovered any more; the outcome says if it was destroyed."""
    key = record.state
    if isinstance(key, Active) and _is_spent(record, key, now, rules):
        return Decision(_destroy(record, now).record, outcome=True, event=EventKind.DESTROYED)
    return Decision(record, outcome=False)


def check_key(record: Record, key_id: bytes) -> Decision[None]:
    """Refuse unless the record's key is still this one."""
    key = _active(record)
    if isinstance(key, Refusal):
        return Decision(record, key)
    if key.key_id != key_id:
        return Decision(record, KeyReplaced("this recovery was started for an earlier key"))
    return Decision(record, None)


def _active(record: Record) -> Active | Refusal:
    match record.state:
        case Active() as key:
            return key
        case Destroyed(destroyed_at, cause):
            return KeyDestroyed(destroyed_at, cause)
        case Absent() | Deleted():
            return NoKey("this account has no key here")


def all_used(record: Record) -> int:
    """Return as many used attempts as exhaust every limit that settings may allow, or more."""
    return max(record.used, ATTEMPT_LIMIT_MAX)


def _repeat(record: Record, key: Active, now: int) -> Decision[Attempt]:
    """The same evaluation again teaches nothing new: not charged, and from now on final."""
    assert key.last_attempt is not None  # noqa: S101 -- narrows the type; the caller compared it
    key = _tried(replace(key, last_attempt=replace(key.last_attempt, is_final=True)), now)
    attempt = Attempt(key, record.charged, attempts_left(record, key), now, charge=None)
    return Decision(replace(record, state=key), attempt, EventKind.REPETITION)


def _charge(record: Record, key: Active, element: bytes, now: int) -> Decision[Attempt]:
    serial = record.charged + 1
    charge = Charge(key.key_id, serial, key.last_started_at)
    key = _tried(replace(key, last_attempt=LastAttempt(element, is_final=False)), now)
    record = replace(record, charged=serial, state=key)
    attempt = Attempt(key, serial, attempts_left(record, key), now, charge)
    return Decision(record, attempt, EventKind.ATTEMPT)


def _tried(key: Active, now: int) -> Active:
    """The key with an attempt started `now`; a clock at 1970 must not make it an untried one."""
    return replace(key, last_started_at=now or 1)


def _destroy(record: Record, now: int) -> Decision[Never]:
    """The OPRF key, the envelope and the sealed key leave the record; the fact stays."""
    destroyed = Destroyed(now, Cause.ATTEMPT_LIMIT)
    refusal = KeyDestroyed(now, Cause.ATTEMPT_LIMIT)
    return Decision(_without_key(record, destroyed), refusal, EventKind.DESTROYED)


def _without_key(record: Record, state: Destroyed | Deleted) -> Record:
    return replace(record, generation=record.generation + 1, state=state)


def _is_spent(record: Record, key: Active, now: int, rules: Rules) -> bool:
    """All attempts are used and no recovery state can be alive any more."""
    began = max(key.last_started_at, rules.serving_since)
    return not attempts_left(record, key) and now > began + RECOVERY_STATE_LIFETIME_MS


def _wait_until(record: Record, key: Active, now: int, rules: Rules) -> int | None:
    """When the next attempt may start, None for now. A clock that was set back ends the waiting."""
    if not rules.back_off or record.used < ATTEMPTS_BEFORE_BACK_OFF:
        return None
    step = min(record.used - ATTEMPTS_BEFORE_BACK_OFF, len(rules.back_off) - 1)
    until = key.last_started_at + rules.back_off[step] * 1000
    return until if key.last_started_at <= now < until else None


def key_status(record: Record, key: Active, wait_until: int | None) -> KeyStatus:
    """Return the status of an active key."""
    return KeyStatus(key, attempts_left(record, key), wait_until)
