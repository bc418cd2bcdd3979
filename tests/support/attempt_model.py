"""Exhaustive check of the attempt rule: every sequence of steps, on the real rules of `records/`.

One account, limit 2 (short traces), or limits of 1 and 3 that each registration chooses from. The
adversary holds the access token, sees and replays every message, finishes old registrations, lets
time pass, deletes, saves and restores any database while the vault is down, crashes the vault
between any two steps, and makes evaluations fail. Restored databases meet the anchor of
docs/design.md section 6: the newest one, or one commit more, is served; for any other the operator
may accept the loss, a few times.

After every step: the distinct evaluations charged since the owner's last success are at most the
limit plus the registrations and the accepted losses since then. Where limits differ, it is the
highest one that the account has had since that success.

    python tests/support/attempt_model.py 12     # depth; prints the number of states
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.errors import Refusal
from strongroom_vault.records import policy, registration, upkeep
from strongroom_vault.records.record import Active, Record, StoredOprfKey

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 2
CHANGING_LIMITS = (1, 3)  # far enough apart that what a lower one forgets is more than its price
MAX_ELEMENTS = 7
MAX_REGISTRATIONS = 3
MAX_LOSSES = 2
RULES = policy.Rules()
NOW = 1
LATER = 10_000_000  # every recovery state is dead by then


class Violation(AssertionError):
    """A sequence of steps broke the rule."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Work for a token worker; `charge` is None for a repetition."""

    element: bytes
    key_id: bytes
    serial: int
    charge: policy.Charge | None


@dataclass(frozen=True, slots=True)
class Database:
    """One commit: its number, that of the one before it, the record, the registrations in it."""

    commit: int
    previous: int
    record: Record
    applied: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the vault and the adversary hold."""

    database: Database
    anchor: int = 0
    up: bool = True
    running: frozenset[Evaluation] = frozenset()
    saved: frozenset[Database] = frozenset()
    evaluated: frozenset[tuple[bytes, bytes]] = frozenset()
    known: frozenset[tuple[bytes, bytes]] = frozenset()
    success: int = 0
    registrations: int = 0
    started: frozenset[tuple[int, int]] = frozenset()
    proofs: frozenset[tuple[bytes, int]] = frozenset()
    next_commit: int = 1
    next_element: int = 0
    losses: int = 0
    losses_since_success: int = 0
    limits: tuple[int, ...] = (LIMIT,)
    highest: int = LIMIT


def first_world() -> World:
    """A vault with one registered key."""
    record = Record(0, 0, 1, _key(0))
    database = Database(0, -1, record)
    return World(database, saved=frozenset({database}))


def guessed_world() -> World:
    """As the first world, after two guesses at a key of a registration that can be replayed."""
    database = Database(2, 1, Record(2, 0, 2, _tried(1)), applied=frozenset({1}))
    pairs = frozenset({(b"a", b"\x01"), (b"b", b"\x01")})
    return World(
        database,
        anchor=2,
        saved=frozenset({database}),
        evaluated=pairs,
        known=pairs,
        started=frozenset({(1, 1)}),
        next_commit=3,
    )


def all_rules(**instead: object) -> SimpleNamespace:
    """Return the functions that decide, those of the three modules, some of them replaced."""
    return SimpleNamespace(**{**vars(policy), **vars(registration), **vars(upkeep), **instead})


def lowered_world(rules: SimpleNamespace | None = None) -> World:
    """All three attempts of a key are used; a registration with limit 1 has replaced it."""
    decide = rules or all_rules()
    low, high = CHANGING_LIMITS
    record = decide.register(Record(high, 0, 1, _tried(0, high)), 1, _key(1, low)).record
    database = Database(high + 1, high, record, applied=frozenset({1}))
    pairs = frozenset({(element, b"\0") for element in (b"a", b"b", b"c")})
    return World(
        database,
        anchor=high + 1,
        saved=frozenset({database}),
        evaluated=pairs,
        known=pairs,
        registrations=1,
        started=frozenset({(1, 1)}),
        next_commit=high + 2,
        limits=CHANGING_LIMITS,
        highest=high,
    )


def lost_world() -> World:
    """The owner succeeded, two guesses followed, the vault is down; a first database is kept."""
    database = Database(3, 2, Record(3, 1, 1, _tried(0)))
    pairs = frozenset({(b"a", b"\0"), (b"b", b"\0")})
    return World(
        database,
        anchor=3,
        up=False,
        saved=frozenset({first_world().database, database}),
        evaluated=pairs,
        known=pairs | {(b"o", b"\0")},
        success=1,
        proofs=frozenset({(b"\0", 1)}),
        next_commit=4,
    )


def accepted_world(rules: SimpleNamespace | None = None) -> World:
    """Three guesses are lost with a database; a key with limit 1, from before them, is served."""
    decide = rules or all_rules()
    low, high = CHANGING_LIMITS
    record = decide.after_loss(Record(0, 0, 1, _key(0, low)), 9)
    database = Database(9, 0, record)
    pairs = frozenset({(element, b"\1") for element in (b"a", b"b", b"c")})
    return World(
        database,
        anchor=9,
        saved=frozenset({database}),
        evaluated=pairs,
        known=pairs,
        next_commit=10,
        losses=1,
        losses_since_success=1,
        limits=CHANGING_LIMITS,
        highest=high,
    )


def explore(depth: int, rules: SimpleNamespace | None = None, start: World | None = None) -> int:
    """Walk every sequence of `depth` steps; return the number of states.

    `rules` stands in for the real ones, so that a test can break it and see the check fail.

    Raises:
        Violation: the rule is broken.
    """
    decide = rules or all_rules()
    seen = front = {start or first_world()}
    for _ in range(depth):
        front = {after for world in front for after in _steps(world, decide)} - seen
        for world in front:
            _check(world)
        seen = seen | front
    return len(seen)


def _check(world: World) -> None:
    if len(world.evaluated) > world.highest + world.registrations + world.losses_since_success:
        raise Violation(f"{len(world.evaluated)} evaluations in {world}")


def _steps(world: World, decide: SimpleNamespace) -> Iterator[World]:
    if not world.up:
        yield from _restarts(world)
        yield from _accepted_losses(world, decide)
        return
    yield _crashed(world)
    yield from _worker_steps(world, decide)
    yield from _attempts(world, decide)
    yield from _finishes(world, decide)
    yield from _registrations(world, decide)
    yield from _touches(world, decide)


def _worker_steps(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """A worker answers, or fails and its attempt is given back."""
    for work in world.running:
        idle = replace(world, running=world.running - {work})
        yield _evaluated(idle, work)
        if work.charge:
            yield from _commit(idle, decide.give_back(world.database.record, work.charge).record)
        else:
            yield idle


def _attempts(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """A guess with a new element, a repetition of the last, the owner's recovery."""
    last = getattr(world.database.record.state, "last_attempt", None)
    if last is not None:
        yield from _attempt(world, last.blinded_element, decide)
    if world.next_element >= MAX_ELEMENTS:
        return
    fresh = replace(world, next_element=world.next_element + 1)
    element = bytes([world.next_element])
    for started in _attempt(fresh, element, decide):
        yield started
        yield from _owner_succeeds(started, element, decide)


def _attempt(world: World, element: bytes, decide: SimpleNamespace) -> Iterator[World]:
    decision = decide.start_recovery(world.database.record, element, NOW, RULES)
    attempt = decision.outcome
    if isinstance(attempt, Refusal):
        yield from _commit(world, decision.record)
        return
    work = Evaluation(element, attempt.key.key_id, attempt.serial, attempt.charge)
    for committed in _commit(world, decision.record):
        if committed.up:
            yield replace(committed, running=committed.running | {work})
            yield _evaluated(committed, work)
        else:
            yield committed


def _owner_succeeds(world: World, element: bytes, decide: SimpleNamespace) -> Iterator[World]:
    """The owner's start was answered: the right proof follows, which can be replayed later."""
    key = world.database.record.state
    if not world.up or not isinstance(key, Active) or (element, key.key_id) not in world.known:
        return
    serial = world.database.record.charged
    decision = decide.finish_recovery(
        world.database.record, key.key_id, serial, proven=True, now=NOW
    )
    cleared = replace(
        world,
        evaluated=frozenset(),
        registrations=0,
        losses_since_success=0,
        highest=key.attempt_limit,
        success=serial,
        proofs=world.proofs | {(key.key_id, serial)},
    )
    yield from _commit(cleared, decision.record)


def _finishes(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """A replayed proof of the owner, or a wrong proof."""
    record = world.database.record
    for key_id, serial in world.proofs:
        decision = decide.finish_recovery(record, key_id, serial, proven=True, now=NOW)
        yield from _commit(world, decision.record)
    if isinstance(record.state, Active):
        for serial in (
            record.charged,
            record.charged - 1,
        ):  # of the last attempt, or an earlier one
            decision = decide.finish_recovery(
                record, record.state.key_id, serial, proven=False, now=NOW
            )
            yield from _commit(world, decision.record)


def _registrations(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """Start one, or finish any that was ever started, with any limit, again and again."""
    record = world.database.record
    if len(world.started) < MAX_REGISTRATIONS:
        number = len(world.started) + 1
        yield replace(world, started=world.started | {(number, record.generation)})
    for (number, generation), limit in product(world.started, world.limits):
        decision = decide.register(record, generation, _key(number, limit))
        if decision.record == record:
            continue
        applied = world.database.applied
        counted = replace(
            world,
            registrations=world.registrations + (number not in applied),
            highest=max(world.highest, limit),
        )
        yield from _commit(counted, decision.record, applied | {number})


def _touches(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """The owner or a thief deletes; much time passes and the sweep comes by."""
    record = world.database.record
    for decision in (decide.delete(record, NOW), decide.sweep(record, LATER, RULES)):
        yield from _commit(world, decision.record)


def _restarts(world: World) -> Iterator[World]:
    """Start from any database kept; the anchor lets the newest one in, or one commit more."""
    for database in world.saved:
        if world.anchor in (database.commit, database.previous):
            yield replace(world, database=database, anchor=database.commit, up=True)


def _accepted_losses(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """The operator accepts any database that the anchor does not let in; it becomes the newest."""
    if world.losses >= MAX_LOSSES:
        return
    for database in world.saved:
        if world.anchor in (database.commit, database.previous):
            continue
        accepted = replace(
            database,
            commit=world.next_commit,
            previous=database.commit,
            record=decide.after_loss(database.record, world.next_commit),
        )
        yield replace(
            world,
            database=accepted,
            anchor=accepted.commit,
            up=True,
            saved=world.saved | {accepted},
            next_commit=world.next_commit + 1,
            losses=world.losses + 1,
            losses_since_success=world.losses_since_success + 1,
        )


def _commit(world: World, record: Record, applied: frozenset[int] | None = None) -> Iterator[World]:
    """The commit reaches the disk; then the anchor follows, or the vault crashes before it."""
    if record == world.database.record:
        return
    applied = world.database.applied if applied is None else applied
    database = replace(
        world.database,
        commit=world.next_commit,
        previous=world.database.commit,
        record=record,
        applied=applied,
    )
    saved = world.saved | {database}
    committed = replace(world, database=database, saved=saved, next_commit=world.next_commit + 1)
    yield replace(committed, anchor=database.commit)
    yield _crashed(committed)


def _crashed(world: World) -> World:
    return replace(world, up=False, running=frozenset())


def _evaluated(world: World, work: Evaluation) -> World:
    pair = (work.element, work.key_id)
    fresh = {pair} - world.known if work.serial > world.success else set()
    return replace(world, evaluated=world.evaluated | fresh, known=world.known | {pair})


def _key(number: int, limit: int = LIMIT) -> Active:
    return Active(
        key_id=bytes([number]),
        created_at=NOW,
        attempt_limit=limit,
        oprf_key=StoredOprfKey(b"public", b"wrapped"),
        registration_record=b"record",
        sealed_backup_key=b"sealed",
        stretching=Argon2id(1, 1, 1),
    )


def _tried(number: int, limit: int = LIMIT) -> Active:
    return replace(_key(number, limit), last_started_at=NOW)


if __name__ == "__main__":
    for steps in range(1, int(sys.argv[1]) + 1):
        print(steps, explore(steps))  # noqa: T201 -- a program's output
