"""The token's anchor: two slots, written in turn, each a modifiable attribute of a token object.

    strongroom.anchor.a, strongroom.anchor.b    generic secrets
    CKA_ID = epoch (8) || digest (32) || the slot's letter (1), for a token may want ids to differ

The slot being written is never the one that holds the newest answered head, because a token may
lose an object when it dies in a write: SoftHSM does so about every second time. A slot that is
missing or holds no value is made again by the next write. The secrets themselves serve no purpose.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.exceptions import ObjectHandleInvalid

from strongroom_vault.hsm.token.interface import TokenError
from strongroom_vault.hsm.token.vault_keys import KEY_BITS, NEVER_LEAVES, VAULT
from strongroom_vault.ledger.head import Anchored

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pkcs11

    from strongroom_vault.hsm.token.vault_keys import TokenObject

SLOTS: Final = VAULT.anchor
LOOKS: Final = 4
LOOK_AGAIN_S: Final = 0.02


def read_slots(
    session: pkcs11.Session, labels: Sequence[str] = SLOTS
) -> dict[str, Anchored | None]:
    """Return what each slot holds; None for a slot that is missing or damaged.

    Raises:
        TokenError: a label stands for two objects.
    """
    return _slots_and_values(session, labels)[1]


def newest(values: dict[str, Anchored | None]) -> Anchored | None:
    """Return the value with the highest epoch."""
    return max(
        (value for value in values.values() if value is not None),
        key=lambda value: value.epoch,
        default=None,
    )


def look(session: pkcs11.Session, labels: Sequence[str] = SLOTS) -> Anchored | None:
    """Return the newest value, while another process, a vault that serves, may be writing.

    Raises:
        TokenError: a label stands for two objects.
        PKCS11Error: the token cannot read them.
    """
    return newest(_settled(session, labels)[1])


def advance(
    session: pkcs11.Session,
    expected: Anchored | None,
    new: Anchored,
    labels: Sequence[str] = SLOTS,
) -> Anchored | None:
    """Remember `new` if the anchor holds `expected`; return what it holds afterwards.

    A repetition finds `new` there and is content.

    Raises:
        TokenError: the token did not keep what was written.
    """
    slots, values = _settled(session, labels, (expected, new))
    current = newest(values)
    if current != expected or current == new:
        return current
    label = next((label for label in labels if values[label] != current), labels[0])
    if _value(label, _write(session, label, slots[label], new)) != new:
        raise TokenError("the token does not keep the anchor")
    return new


def replace(session: pkcs11.Session, new: Anchored, labels: Sequence[str] = SLOTS) -> None:
    """Make the anchor hold `new` alone, whatever it held: for init and for accepted losses."""
    for label, slot in _slots(session, labels).items():
        _write(session, label, slot, new)


def remove(session: pkcs11.Session, labels: Sequence[str]) -> None:
    """Destroy the slots of an anchor: for one that was made to try the token."""
    for label in labels:
        for slot in list(session.get_objects({Attribute.LABEL: label})):
            slot.destroy()


def _write(
    session: pkcs11.Session, label: str, slot: TokenObject | None, value: Anchored
) -> TokenObject:
    """Write a slot, which is made if there is none; return it."""
    if slot is not None:
        slot[Attribute.ID] = value.encode() + _letter(label)
        return slot
    return session.generate_key(
        KeyType.GENERIC_SECRET,
        KEY_BITS,
        label=label,
        id=value.encode() + _letter(label),
        store=True,
        capabilities=MechanismFlag.SIGN,
        template=NEVER_LEAVES,
    )


def _value(label: str, slot: TokenObject | None) -> Anchored | None:
    if slot is None:
        return None
    stored = bytes(slot[Attribute.ID])
    return Anchored.decode(stored[:-1]) if stored[-1:] == _letter(label) else None


def _letter(label: str) -> bytes:
    return label[-1].encode()


def _settled(
    session: pkcs11.Session,
    labels: Sequence[str],
    wanted: Collection[Anchored | None] | None = None,
) -> tuple[dict[str, TokenObject | None], dict[str, Anchored | None]]:
    """Return each slot and what it holds; look again at what is not as it should be.

    While another process writes a slot, or makes and destroys other objects, a slot may be invalid
    or seem missing for a moment. Then an older value would be taken for the newest, which stops the
    vault, or a slot would be made that is there, and so be there twice. `wanted` are the newest
    values that need no second look, None for any.
    """
    for _ in range(LOOKS - 1):
        with suppress(ObjectHandleInvalid):
            slots, values = _slots_and_values(session, labels)
            if all(values.values()) and (wanted is None or newest(values) in wanted):
                return slots, values
        time.sleep(LOOK_AGAIN_S)
    return _slots_and_values(session, labels)


def _slots_and_values(
    session: pkcs11.Session, labels: Sequence[str]
) -> tuple[dict[str, TokenObject | None], dict[str, Anchored | None]]:
    slots = _slots(session, labels)
    return slots, {label: _value(label, slot) for label, slot in slots.items()}


def _slots(session: pkcs11.Session, labels: Sequence[str]) -> dict[str, TokenObject | None]:
    return {label: _find(session, label) for label in labels}


def _find(session: pkcs11.Session, label: str) -> TokenObject | None:
    template = {Attribute.LABEL: label, Attribute.CLASS: ObjectClass.SECRET_KEY}
    found = list(session.get_objects(template))
    if len(found) > 1:
        raise TokenError(f"the token has {len(found)} objects with the label {label}")
    return found[0] if found else None
