"""The audit log as operators verify and export it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.open_token import open_token
from strongroom_vault.operator import audit_log

if TYPE_CHECKING:
    from made_vault import MadeVault
    from vault_process import SoftHsm


async def test_every_event_is_counted_and_exported(made: MadeVault) -> None:
    record_id = await made.register()
    assert audit_log.verify(made.settings) == 2
    first, second = map(json.loads, audit_log.export(made.settings))
    assert (first["event"], second["event"]) == ("initialised", "registered")
    assert second["record"] == record_id.hex()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = X'7b7d' WHERE number = 2",
        "DELETE FROM event WHERE number = 2",
        "INSERT INTO event (body) VALUES (X'7b7d')",
    ],
)
async def test_a_changed_event_is_noticed(made: MadeVault, damage: str) -> None:
    await made.register()
    with closing(sqlite3.connect(made.database)) as db, db:
        db.execute(damage)
    with pytest.raises(OperatorError, match="it was changed"):
        audit_log.verify(made.settings)


async def test_a_log_that_fits_an_old_head_is_not_the_whole_log(
    made: MadeVault, softhsm: SoftHsm
) -> None:
    before = made.database.read_bytes()
    await made.register()
    made.database.write_bytes(before)
    with pytest.raises(
        OperatorError, match=r"the audit log fits its head, but .* 1 commit is missing"
    ):
        audit_log.verify(made.settings)
    with open_token(softhsm.settings()) as token:
        token.anchor.remove()
    with pytest.raises(OperatorError, match="the token has no anchor"):
        audit_log.verify(made.settings)
