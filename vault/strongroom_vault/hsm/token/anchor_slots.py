"""The token's anchor: two slots, written in turn, each a modifiable attribute of a token object.

    strongroom.anchor.a, strongroom.anchor.b    generic secrets
    CKA_ID = epoch (8) || digest (32) || the slot's letter (1), for a token may want ids to differ

The slot being written is never the one that holds the newest answered head, because a token may
lose an object when it dies in a write: SoftHSM does so about every second time. A slot that is
missing or holds no value is made again by the next write. The secrets themselves serve no purpose.

A session may lose sight of a slot that is there, and make it a second time. So a slot is all the
objects with its label: it holds their newest value, and its next write leaves one of them.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import ObjectHandleInvalid

from strongroom_vault.hsm.token.errors import TokenError, translated
from strongroom_vault.hsm.token.objects import as_object, find_objects
from strongroom_vault.hsm.token.vault_keys import KEY_BITS, NON_EXTRACTABLE, VAULT
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import pkcs11

    from strongroom_vault.hsm.token.objects import TokenObject

READ_TRIES: Final = 4
"""How often the token is read at most, until what it shows makes sense."""
RETRY_S: Final = 0.02
"""Seconds between two reads."""


class AnchorSlots:
    """One anchor in an open session. Every method raises TokenError."""

    def __init__(self, session: pkcs11.Session, labels: Sequence[str] = VAULT.anchor) -> None:
        self._session = session
        self._labels = labels

    @translated()
    def read_slots(self) -> dict[str, Anchored | None]:
        """Return what each slot holds; None for a slot that is missing or damaged."""
        return self._slots_and_values()[1]

    @translated()
    def read(self) -> Anchored | None:
        """Return the newest value, while another process, a vault that serves, may be writing."""
        return newest(self._settled()[1].values())

    @translated()
    def advance(self, expected: Anchored | None, new: Anchored) -> Anchored | None:
        """Remember `new` if the anchor holds `expected`; return what it holds afterwards.

        Repeating it is safe: it finds `new` there, and writes nothing.
        """
        # 1. Read both slots until they make sense. A slot that is out of sight for a moment would
        #    make an older value the newest one.
        slots, values = self._settled((expected, new))
        current = newest(values.values())
        # 2. Write nothing unless the newest value is the expected one: another vault that has moved
        #    the anchor must win, or two would each believe that they are the only one.
        if current != expected or current == new:
            return current
        # 3. Write the slot that does not hold the newest value: if the token dies in the write and
        #    loses the slot, the newest answered head is still there.
        label = next((label for label in self._labels if values[label] != current), self._labels[0])
        # 4. Read back what was written: a token that drops a write silently would let the next
        #    rollback pass.
        if _value(label, [self._write(label, slots[label], new)]) != new:
            raise TokenError("the token does not keep the anchor")
        return new

    @translated()
    def replace(self, new: Anchored) -> None:
        """Make the anchor hold `new` alone, whatever it held: for init and for accepted losses."""
        for label, slot in self._slots().items():
            self._write(label, slot, new)

    @translated()
    def remove(self) -> None:
        """Destroy the slots: of an anchor that was made to try the token."""
        for label in self._labels:
            for slot in find_objects(self._session, {Attribute.LABEL: label}):
                slot.destroy()

    def _write(self, label: str, slot: Sequence[TokenObject], value: Anchored) -> TokenObject:
        """Write a slot, made if it is missing; return its one object."""
        # The others go first. Should the token show one object twice, it is gone then and the write
        # fails, while the other slot still holds the newest value. Written first, a value would be
        # destroyed right after it was believed to be kept.
        for twin in slot[1:]:
            twin.destroy()
        if slot:
            slot[0][Attribute.ID] = value.encode() + _letter(label)
            return slot[0]
        made = self._session.generate_key(
            KeyType.GENERIC_SECRET,
            KEY_BITS,
            label=label,
            id=value.encode() + _letter(label),
            store=True,
            capabilities=MechanismFlag.SIGN,
            template=NON_EXTRACTABLE,
        )
        return as_object(made)

    def _settled(
        self, wanted: Collection[Anchored | None] | None = None
    ) -> tuple[dict[str, list[TokenObject]], dict[str, Anchored | None]]:
        """Return each slot and what it holds; read again if that is not as it should be.

        `wanted` are the newest values that need no second read, None for any.
        """
        # While another process writes a slot, or makes and destroys other objects, a slot may be
        # invalid or seem missing for a moment. Then an older value would be taken for the newest,
        # which stops the vault, or a slot would be made a second time.
        for _ in range(READ_TRIES - 1):
            with suppress(ObjectHandleInvalid):
                slots, values = self._slots_and_values()
                if all(values.values()) and (wanted is None or newest(values.values()) in wanted):
                    return slots, values
            time.sleep(RETRY_S)
        # The last answer is believed whatever it is: a slot may really be lost, and is made again.
        return self._slots_and_values()

    def _slots_and_values(
        self,
    ) -> tuple[dict[str, list[TokenObject]], dict[str, Anchored | None]]:
        slots = self._slots()
        return slots, {label: _value(label, slot) for label, slot in slots.items()}

    def _slots(self) -> dict[str, list[TokenObject]]:
        return {label: self._find(label) for label in self._labels}

    def _find(self, label: str) -> list[TokenObject]:
        template = {Attribute.LABEL: label, Attribute.CLASS: ObjectClass.SECRET_KEY}
        return find_objects(self._session, template)


def newest(values: Iterable[Anchored | None]) -> Anchored | None:
    """Return the value with the highest epoch."""
    return max(
        (value for value in values if value is not None),
        key=lambda value: value.epoch,
        default=None,
    )


def _value(label: str, slot: Iterable[TokenObject]) -> Anchored | None:
    stored = [bytes(each[Attribute.ID]) for each in slot]
    return newest(Anchored.decode(each[:-1]) for each in stored if each[-1:] == _letter(label))


def _letter(label: str) -> bytes:
    return label[-1].encode()
