"""docs/design.md says what the rules do: its table is compared with policy.py, cell by cell."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from records import DELETED, DESTROYED, KEY, KEY_ID, LIMIT, NOW, OTHER_ELEMENT, active

from strongroom_protocol import labels
from strongroom_vault import errors
from strongroom_vault.hsm.token.vault_keys import VAULT
from strongroom_vault.records import policy, registration
from strongroom_vault.records.policy import Attempt, Decision, KeyStatus
from strongroom_vault.records.record import Deleted, Record
from strongroom_vault.store.interface import BUCKET_BITS

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = (Path(__file__).parents[3] / "docs" / "design.md").read_text(encoding="utf-8")
RECORDS: Final = {
    "nothing": Record(),
    "active, attempts left": active(1),
    "active, none left": active(LIMIT),
    "destroyed": Record(7, 2, 3, DESTROYED),
    "deleted": Record(7, 2, 3, DELETED),
}

KEY_OF_ANOTHER: Final = replace(KEY, key_id=bytes(16))


def finish(record: Record, *, proven: bool) -> Decision[bytes]:
    return policy.finish_recovery(record, KEY_ID, record.charged, proven=proven, now=NOW)


REQUESTS: Final[dict[str, Callable[[Record], Decision[object]]]] = {
    "start of a recovery": lambda record: policy.start_recovery(
        record, OTHER_ELEMENT, NOW, policy.Rules()
    ),
    "right proof": lambda record: finish(record, proven=True),
    "wrong proof": lambda record: finish(record, proven=False),
    "register": lambda record: registration.register(record, record.generation, KEY_OF_ANOTHER),
    "delete": lambda record: policy.delete(record, NOW),
}
REFUSED: Final = {
    errors.NoKey: "no key",
    errors.KeyReplaced: "replaced",
    errors.WrongPassword: "wrong password",
    errors.KeyDestroyed: "destroyed",
}


def in_words(before: Record, decision: Decision[object]) -> str:
    """What a decision did, in the words of the table."""
    after = decision.record
    match decision.outcome:
        case errors.Refusal() as refusal:
            return REFUSED[type(refusal)]
        case Attempt():
            return f"used + {after.used - before.used}, evaluated"
        case bytes():
            return "cleared, released" if after.used == 0 else "released"
        case KeyStatus():
            all_used = after.used >= labels.ATTEMPT_LIMIT_MAX
            assert all_used or after.used == before.used
            return "active, all used" if all_used else "active, used as it was"
    assert isinstance(after.state, Deleted)
    return "deleted"


def rows() -> list[list[str]]:
    table = PAGE[PAGE.index("| there is |") :].split("\n\n")[0]
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()]


def test_the_life_of_a_record() -> None:
    head, _, *body = rows()
    assert head == ["there is", *REQUESTS]
    assert body == [
        [name, *(in_words(record, request(record)) for request in REQUESTS.values())]
        for name, record in RECORDS.items()
    ]


@pytest.mark.parametrize(
    "name", [VAULT.wrap, VAULT.identity, VAULT.root, VAULT.anchor[0], VAULT.oprf]
)
def test_the_keys_in_the_token(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_numbers_of_the_ledger() -> None:
    assert f"The first {BUCKET_BITS} bits" in PAGE
    found = re.search(r"one of ([\d,]+) buckets", PAGE)
    assert found is not None
    assert int(found[1].replace(",", "")) == 1 << BUCKET_BITS
