"""Exhaustive check of the attempt rule: every sequence of steps, on the real `policy` module.

One account, limit 2 (short traces). The adversary holds the access token, sees and replays every
message, finishes old registrations, lets time pass, deletes, saves and restores any database while
the vault is down, crashes the vault between any two steps, and makes evaluations fail. Restored
databases meet the anchor of design section 6: the newest one, or one commit more, is served.

After every step: the distinct evaluations charged since the owner's last success are at most the
limit plus the registrations since then, and a destroyed or replaced key is never evaluated again.

    python tests/support/attempt_model.py 12     # depth; prints the number of states
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

from strongroom.opaque.ksf import Argon2id
from strongroom_vault import policy
from strongroom_vault.errors import Refusal
from strongroom_vault.record import Active, Destroyed, Record, StoredOprfKey

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 2
MAX_ELEMENTS = 7
MAX_REGISTRATIONS = 3
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
    """One commit: its number, the number of the one before it, and the record."""

    commit: int
    previous: int
    record: Record


@dataclass(frozen=True, slots=True)
class World:
    """Everything that the vault and the adversary hold. `waiting` is past commit, before anchor."""

    database: Database
    anchor: int = 0
    up: bool = True
    unanchored: bool = False
    waiting: Evaluation | None = None
    running: frozenset[Evaluation] = frozenset()
    saved: frozenset[Database] = frozenset()
    evaluated: frozenset[tuple[bytes, bytes]] = frozenset()
    known: frozenset[tuple[bytes, bytes]] = frozenset()
    gone: frozenset[bytes] = frozenset()
    success: int = 0
    registrations: int = 0
    started: frozenset[tuple[int, int]] = frozenset()
    applied: frozenset[int] = frozenset()
    proofs: frozenset[tuple[bytes, int]] = frozenset()
    next_commit: int = 1
    next_element: int = 0


def first_world() -> World:
    """A vault with one registered key."""
    record = Record(0, 0, 1, _key(0))
    database = Database(0, -1, record)
    return World(database, saved=frozenset({database}))


def explore(depth: int, rules: SimpleNamespace | None = None) -> int:
    """Walk every sequence of `depth` steps; return the number of states.

    `rules` stands in for the policy module, so that a test can break it and see the check fail.

    Raises:
        Violation: the rule is broken.
    """
    decide = rules or SimpleNamespace(**vars(policy))
    seen = front = {first_world()}
    for _ in range(depth):
        front = {after for world in front for after in _steps(world, decide)} - seen
        for world in front:
            _check(world)
        seen = seen | front
    return len(seen)


def _check(world: World) -> None:
    if len(world.evaluated) > LIMIT + world.registrations:
        raise Violation(f"{len(world.evaluated)} evaluations in {world}")


def _steps(world: World, decide: SimpleNamespace) -> Iterator[World]:
    if world.up and world.unanchored:
        yield _anchored(world)
        yield _crashed(world)
        return
    if not world.up:
        yield from _restarts(world)
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
        given_back = work.charge and decide.give_back(world.database.record, work.charge)
        yield _commit(idle, given_back.record) if given_back else idle


def _attempts(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """A guess with a new element, a repetition of the last, the owner's recovery."""
    last = getattr(world.database.record.state, "last_attempt", None)
    if last is not None:
        yield from _attempt(world, last.blinded_element, decide)
    if world.next_element >= MAX_ELEMENTS:
        return
    fresh = replace(world, next_element=world.next_element + 1)
    element = bytes([world.next_element])
    yield from _attempt(fresh, element, decide)
    for started in _attempt(fresh, element, decide):
        yield from _owner_succeeds(started, decide)


def _attempt(world: World, element: bytes, decide: SimpleNamespace) -> Iterator[World]:
    decision = decide.start_recovery(world.database.record, element, NOW, RULES)
    attempt = decision.outcome
    if isinstance(attempt, Refusal):
        if decision.record != world.database.record:
            yield _commit(world, decision.record)
        return
    work = Evaluation(element, attempt.key.key_id, attempt.serial, attempt.charge)
    yield _commit(world, decision.record, work)


def _owner_succeeds(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """The owner's start is evaluated and finished with the right proof, which can be replayed."""
    work = world.waiting
    if work is None:
        return
    pair = (work.element, work.key_id)
    answered = replace(_anchored(world), known=world.known | {pair})
    answered = replace(answered, running=answered.running - {work})
    decision = decide.finish_recovery(
        answered.database.record, work.key_id, work.serial, proven=True, now=NOW
    )
    if isinstance(decision.outcome, Refusal):
        return
    answered = replace(
        answered,
        evaluated=frozenset(),
        registrations=0,
        success=work.serial,
        proofs=world.proofs | {(work.key_id, work.serial)},
    )
    yield _commit(answered, decision.record)


def _finishes(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """A replayed proof of the owner, or a wrong proof."""
    record = world.database.record
    for key_id, serial in world.proofs:
        decision = decide.finish_recovery(record, key_id, serial, proven=True, now=NOW)
        if decision.record != record:
            yield _commit(world, decision.record)
    if isinstance(record.state, Active):
        decision = decide.finish_recovery(
            record, record.state.key_id, record.charged, proven=False, now=NOW
        )
        if decision.record != record:
            yield _commit(world, decision.record)


def _registrations(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """Start one, or finish any that was ever started, again and again."""
    record = world.database.record
    if len(world.started) < MAX_REGISTRATIONS:
        number = len(world.started) + 1
        yield replace(world, started=world.started | {(number, record.generation)})
    for number, generation in world.started:
        decision = decide.register(record, generation, _key(number))
        if decision.record == record:
            continue
        counted = replace(
            world,
            registrations=world.registrations + (number not in world.applied),
            applied=world.applied | {number},
        )
        yield _commit(counted, decision.record)


def _touches(world: World, decide: SimpleNamespace) -> Iterator[World]:
    """The owner or a thief deletes; much time passes and the sweep comes by."""
    record = world.database.record
    for decision in (decide.delete(record, NOW), decide.sweep(record, LATER, RULES)):
        if decision.record != record:
            yield _commit(world, decision.record)


def _restarts(world: World) -> Iterator[World]:
    """Start from any database kept; the anchor lets the newest one in, or one commit more."""
    for database in world.saved:
        if world.anchor in (database.commit, database.previous):
            yield replace(world, database=database, anchor=database.commit, up=True)


def _commit(world: World, record: Record, work: Evaluation | None = None) -> World:
    gone = world.gone
    before = world.database.record.state
    if isinstance(before, Active) and isinstance(record.state, Destroyed):
        gone = gone | {before.key_id}
    database = Database(world.next_commit, world.database.commit, record)
    return replace(
        world,
        database=database,
        next_commit=world.next_commit + 1,
        saved=world.saved | {database},
        unanchored=True,
        waiting=work,
        gone=gone,
    )


def _anchored(world: World) -> World:
    running = world.running | {world.waiting} if world.waiting else world.running
    anchor = world.database.commit
    return replace(world, anchor=anchor, unanchored=False, waiting=None, running=running)


def _crashed(world: World) -> World:
    return replace(world, up=False, unanchored=False, waiting=None, running=frozenset())


def _evaluated(world: World, work: Evaluation) -> World:
    pair = (work.element, work.key_id)
    fresh = {pair} - world.known if work.serial > world.success else set()
    return replace(world, evaluated=world.evaluated | fresh, known=world.known | {pair})


def _key(number: int) -> Active:
    return Active(
        key_id=bytes([number]),
        created_at=NOW,
        attempt_limit=LIMIT,
        oprf_key=StoredOprfKey(b"public", b"wrapped"),
        registration_record=b"record",
        sealed_backup_key=b"sealed",
        stretching=Argon2id(1, 1, 1),
    )


if __name__ == "__main__":
    for steps in range(1, int(sys.argv[1]) + 1):
        print(steps, explore(steps))  # noqa: T201 -- a program's output
