"""A whole store against its head, and its keys against the token."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator.access import token_of
from strongroom_vault.operator.anchor import compare
from strongroom_vault.operator.verification import all_buckets, count_lost_keys, verify_rows
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.store.interface import BUCKET_BITS
from strongroom_vault.store.sqlite import SqliteReader

if TYPE_CHECKING:
    from made_vault import MadeVault


def verify(made: MadeVault) -> None:
    with (
        token_of(made.settings) as token,
        closing(SqliteReader(made.database, made.settings.vault.id)) as store,
    ):
        verify_rows(store, compare(made.settings, token, store).head)


async def test_a_whole_store(made: MadeVault) -> None:
    names = {await made.register() for _ in range(3)}
    verify(made)
    with closing(SqliteReader(made.database, made.settings.vault.id)) as store:
        buckets = dict(all_buckets(store))
    assert {name for rows in buckets.values() for name in rows} == names
    assert max(buckets) < 2**BUCKET_BITS


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE record SET sealed = zeroblob(512)", "bucket .* was changed"),
        ("DELETE FROM record", "bucket .* was changed"),
        ("UPDATE bucket SET hash = zeroblob(32)", "bucket hashes are not those of its head"),
        ("DELETE FROM bucket", "bucket hashes are not those of its head"),
    ],
)
async def test_what_the_head_does_not_state(made: MadeVault, damage: str, problem: str) -> None:
    await made.register()
    with closing(sqlite3.connect(made.database)) as db, db:
        db.execute(damage)
    with pytest.raises(OperatorError, match=f"the database is not whole: .*{problem}"):
        verify(made)


async def test_keys_that_only_another_token_has_are_lost(made: MadeVault) -> None:
    with token_of(made.settings) as token:
        wrapped = token.keys.oprf_keys.generate(resident=False)
        resident = token.keys.oprf_keys.generate(resident=True)
    gone = (
        StoredOprfKey(wrapped.public_key, wrapped.wrapped, wrap_key=wrapped.wrap_key + 1000),
        StoredOprfKey(b"\x02" + bytes(32), None),
    )
    for key in (wrapped, resident, *gone):
        await made.register(key)
    with (
        token_of(made.settings) as token,
        closing(SqliteReader(made.database, made.settings.vault.id)) as store,
    ):
        assert count_lost_keys(store, token) == 2
        token.keys.oprf_keys.destroy(resident.public_key)
        assert count_lost_keys(store, token) == 3
