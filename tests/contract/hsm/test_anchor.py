"""The token's anchor on a real token: slots in turn, compare-and-set, kills inside the write."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from pkcs11 import Attribute, ObjectClass
from token_child import in_child, start_child

from strongroom_vault.hsm.token import anchor_slots
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots, newest
from strongroom_vault.hsm.token.vault_keys import VAULT
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    import pkcs11
    from token_child import AnyToken

KILLS = 12
SLOTS = VAULT.anchor


def value(epoch: int) -> Anchored:
    return Anchored(epoch, bytes([epoch % 256]) * 32)


@pytest.fixture
def token(empty_token: AnyToken) -> AnyToken:
    return empty_token


def _slots_in_turn(session: pkcs11.Session) -> None:
    assert newest(AnchorSlots(session).read_slots().values()) is None
    assert (
        AnchorSlots(session).advance(value(1), value(2)) is None
    )  # nothing there: not what is expected
    AnchorSlots(session).replace(value(0))
    assert AnchorSlots(session).read_slots() == dict.fromkeys(SLOTS, value(0))
    for epoch in range(1, 6):
        before = AnchorSlots(session).read_slots()
        assert AnchorSlots(session).advance(value(epoch - 1), value(epoch)) == value(epoch)
        after = AnchorSlots(session).read_slots()
        written = [label for label in SLOTS if before[label] != after[label]]
        assert len(written) == 1
        assert before[written[0]] != value(epoch - 1) or epoch == 1  # never the newest one
        assert newest(after.values()) == value(epoch)
    assert AnchorSlots(session).advance(value(4), value(5)) == value(5)  # a repetition is content
    assert AnchorSlots(session).advance(value(3), value(4)) == value(5)  # a stranger is not let in
    assert AnchorSlots(session).advance(value(6), value(7)) == value(5)


def test_slots_in_turn(token: AnyToken) -> None:
    in_child(token, _slots_in_turn)


def _lost_and_damaged(session: pkcs11.Session) -> None:
    AnchorSlots(session).replace(value(0))
    AnchorSlots(session).advance(value(0), value(1))
    for epoch in range(2, 6):
        values = AnchorSlots(session).read_slots()
        older = next(label for label in SLOTS if values[label] != value(epoch - 1))
        slot = next(iter(session.get_objects({Attribute.LABEL: older})))
        if epoch % 2:
            slot.destroy()
        else:
            slot[Attribute.ID] = b"garbage"
        assert newest(AnchorSlots(session).read_slots().values()) == value(epoch - 1)
        assert AnchorSlots(session).advance(value(epoch - 1), value(epoch)) == value(epoch)
    for slot in session.get_objects({Attribute.LABEL: SLOTS[0]}):
        assert slot[Attribute.SENSITIVE]
        assert not slot[Attribute.EXTRACTABLE]


def test_a_slot_that_is_lost_or_damaged_is_made_again(token: AnyToken) -> None:
    in_child(token, _lost_and_damaged)


def _made_twice(session: pkcs11.Session) -> None:
    """What a session leaves that did not see a slot, and made it again."""
    anchor = AnchorSlots(session)
    anchor.replace(value(1))
    for label in SLOTS:
        anchor._write(label, [], value(0))
    assert len(_objects(session)) == 2 * len(SLOTS)
    for epoch in range(2, 6):
        assert AnchorSlots(session).read() == value(epoch - 1)
        assert AnchorSlots(session).advance(value(epoch - 1), value(epoch)) == value(epoch)
    assert len(_objects(session)) == len(SLOTS)


def _objects(session: pkcs11.Session) -> list[Any]:
    return [
        each
        for label in SLOTS
        for each in session.get_objects(
            {Attribute.LABEL: label, Attribute.CLASS: ObjectClass.SECRET_KEY}
        )
    ]


def test_a_slot_that_was_made_twice_is_one_again(token: AnyToken) -> None:
    in_child(token, _made_twice)


def _one_of_two_is_newest(session: pkcs11.Session) -> None:
    """The newest value counts, whichever object has it, and it is never the one written."""
    for order in (0, 1):
        AnchorSlots(session).remove()
        anchor = AnchorSlots(session)
        anchor.replace(value(1))
        anchor._write(SLOTS[0], [], value(2) if order else value(0))
        if not order:
            slots = anchor._slots()[SLOTS[0]]
            slots[0][Attribute.ID] = value(2).encode() + SLOTS[0][-1].encode()
        assert anchor.read() == value(2)
        assert anchor.advance(value(1), value(3)) == value(2)  # a rollback is not let in
        assert anchor.advance(value(2), value(3)) == value(3)
        assert anchor.read_slots() == {SLOTS[0]: value(2), SLOTS[1]: value(3)}
        assert anchor.advance(value(3), value(4)) == value(4)
        assert anchor.read_slots() == {SLOTS[0]: value(4), SLOTS[1]: value(3)}
        assert len(_objects(session)) == len(SLOTS)


def test_the_newest_of_two_objects_counts(token: AnyToken) -> None:
    in_child(token, _one_of_two_is_newest)


def _cut_off_between_the_twins(session: pkcs11.Session) -> None:
    """A power cut after each call of a write that joins two objects loses no answered value."""
    anchor = AnchorSlots(session)
    anchor.replace(value(1))
    assert anchor.advance(value(1), value(2)) == value(2)
    older = next(label for label in SLOTS if anchor.read_slots()[label] == value(1))
    anchor._write(older, [], value(0))
    for twin in anchor._slots()[older]:
        twin.destroy()
        assert AnchorSlots(session).read() == value(2)
    assert AnchorSlots(session).advance(value(2), value(3)) == value(3)


def test_a_cut_between_two_objects_loses_nothing(token: AnyToken) -> None:
    in_child(token, _cut_off_between_the_twins)


def _advance_for_ever(session: pkcs11.Session, epoch: int, acknowledged: Connection) -> None:
    while True:
        assert AnchorSlots(session).advance(value(epoch), value(epoch + 1)) == value(epoch + 1)
        epoch += 1
        acknowledged.send(epoch)


def _held(session: pkcs11.Session) -> list[Anchored | None]:
    return list(AnchorSlots(session).read_slots().values())


def _prepare(session: pkcs11.Session) -> None:
    AnchorSlots(session).replace(value(0))


def test_killed_inside_the_write(token: AnyToken) -> None:
    """What was acknowledged is never lost; what was not may be there or not."""
    in_child(token, _prepare)
    choose = random.Random(5)
    epoch = 0
    for _ in range(KILLS):
        ours, theirs = multiprocessing.Pipe()
        process = start_child(token, _advance_for_ever, epoch, theirs)
        theirs.close()
        assert ours.poll(30)
        time.sleep(choose.uniform(0, 0.01))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(30)
        newest_acknowledged = max(_received(ours))
        ours.close()
        held = in_child(token, _held)
        epoch = max(slot.epoch for slot in held if slot is not None)
        assert value(epoch) in held
        assert epoch - newest_acknowledged in (0, 1)
    assert epoch > KILLS


def _received(pipe: Connection) -> Iterator[int]:
    try:
        while True:
            yield pipe.recv()
    except EOFError:
        return


def _missing_for_a_moment(session: pkcs11.Session) -> None:
    """What a token looks like while another process of it makes and destroys objects."""
    AnchorSlots(session).replace(value(0))
    assert AnchorSlots(session).advance(value(0), value(1)) == value(1)
    find = AnchorSlots._find
    for hidden in SLOTS:
        for times in range(1, anchor_slots.READ_TRIES):
            left = times
            held = AnchorSlots(session).read_slots()
            before = newest(held.values())
            assert before is not None

            def sometimes(self: AnchorSlots, label: str, hidden: str = hidden) -> Any:
                nonlocal left
                if label == hidden and left > 0:
                    left -= 1
                    return []
                return find(self, label)

            AnchorSlots._find = sometimes  # type: ignore[method-assign]  # in a child of its own
            try:
                after = value(before.epoch + 1)
                assert AnchorSlots(session).read() == before
                left = times
                assert AnchorSlots(session).advance(before, after) == after
            finally:
                AnchorSlots._find = find  # type: ignore[method-assign]
            assert all(AnchorSlots(session).read_slots().values())


def test_a_slot_that_seems_missing_for_a_moment_is_neither_old_nor_made_twice(
    token: AnyToken,
) -> None:
    in_child(token, _missing_for_a_moment)
