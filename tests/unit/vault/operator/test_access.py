"""How operators' commands open a token, and who is kept from it meanwhile."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.operator.access import downtime, token_lock, token_of
from strongroom_vault.platform.locks import lock_exclusively
from strongroom_vault.store.interface import StoreError

if TYPE_CHECKING:
    from made_vault import MadeVault
    from vault_process import VaultFolder


@pytest.mark.parametrize("kind", [TokenError, StoreError])
def test_what_token_or_store_refuse_is_an_operators_error(
    made: MadeVault, kind: type[Exception]
) -> None:
    def work() -> None:
        with token_of(made.settings) as token:
            assert len(token.keys.identity.public_key.encode()) == 33
            raise kind("DeviceRemoved")

    with pytest.raises(OperatorError, match="DeviceRemoved"):
        work()


def test_a_vault_that_runs_has_its_token_for_itself(before_init: VaultFolder) -> None:
    settings = before_init.settings()
    with token_lock(settings):
        with pytest.raises(OperatorError, match="is running; stop it first"), token_lock(settings):
            pass
        with pytest.raises(OperatorError, match="or init"), token_lock(settings, "or init"):
            pass
    with token_lock(settings):
        pass


def test_downtime_takes_both_locks_or_none(before_init: VaultFolder) -> None:
    settings = before_init.settings()
    path = settings.store.path
    lock = path.with_name(path.name + ".lock")
    with downtime(settings), pytest.raises(OperatorError, match="taken"):
        lock_exclusively(lock, "taken")
    opened = lock_exclusively(lock, "taken", create=True)
    with pytest.raises(OperatorError, match="the vault is running"), downtime(settings):
        pass
    os.close(opened)
    with token_lock(settings):  # the first lock was given back
        pass
