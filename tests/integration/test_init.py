"""`strongroom-vault init`: shown, done, repeated, cut off, and refused where things do not fit."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import cut_init
import pytest
from pkcs11 import Attribute, ObjectClass
from quick_account import QuickAccount
from raw_client import Guess, raw_client
from token_child import in_child
from vault_process import make_softhsm, prepare_vault

from strongroom_vault.hsm.token import vault_keys

if TYPE_CHECKING:
    from pathlib import Path

    import pkcs11
    from vault_process import VaultFolder


@pytest.fixture
def fresh(tmp_path: Path) -> VaultFolder:
    """A vault's folder and token before init."""
    return prepare_vault(tmp_path / "vault", make_softhsm(tmp_path / "token"))


def _labels(session: pkcs11.Session) -> list[str]:
    return sorted(found[Attribute.LABEL] for found in session.get_objects())


def labels(folder: VaultFolder) -> list[str]:
    """The labels of all objects of the token."""
    found: list[str] = in_child(folder.softhsm, _labels)
    return found


ALL = sorted(
    [*(label for label, _ in vault_keys.VAULT.keys), *vault_keys.VAULT.anchor],
)


def test_the_plan_is_shown_before_anything_is_made(fresh: VaultFolder) -> None:
    shown = fresh.operator("init", typed="n\n", code=1)
    assert shown.stderr.count("will be made") == 5
    assert labels(fresh) == []
    assert not fresh.database.exists()
    made = fresh.operator("init", typed="y\n")
    assert len(made.stdout.strip()) == 44
    assert labels(fresh) == ALL


def test_repeating_it_makes_nothing_and_prints_the_same(fresh: VaultFolder) -> None:
    made = fresh.operator("init", "--yes")
    store = fresh.database.read_bytes()
    again = fresh.operator("init")
    assert "nothing to do" in again.stderr
    assert again.stdout == made.stdout
    assert labels(fresh) == ALL
    assert fresh.database.read_bytes() == store


@pytest.mark.parametrize("step", cut_init.STEPS)
def test_cut_off_after_any_step_it_goes_on(fresh: VaultFolder, step: str) -> None:
    program = [sys.executable, cut_init.__file__, step, str(fresh.settings_file)]
    cut = subprocess.run(program, env=fresh.environment(), check=False, timeout=60)
    assert cut.returncode == -signal.SIGKILL
    assert labels(fresh) != ALL
    made = fresh.operator("init", "--yes")
    with_one_slot = [label for label in ALL if label != vault_keys.VAULT.anchor[1]]
    assert labels(fresh) in (ALL, with_one_slot)  # the first commit makes the other slot
    fresh.operator("anchor", "show")
    with fresh.start() as vault, vault.connect() as client:
        assert fresh.operator("init").stdout == made.stdout
        assert client.info().vault_id == "vault.test"


def test_a_store_whose_token_lost_its_keys_gets_no_others(
    fresh: VaultFolder, tmp_path: Path
) -> None:
    fresh.operator("init", "--yes")
    other = prepare_vault(tmp_path / "other", make_softhsm(tmp_path / "other-token"))
    shutil.copy(fresh.database, other.database)
    refused = other.operator("init", "--yes", code=1)
    assert "restore the token" in refused.stderr
    assert labels(other) == []


def _only_half_a_pair(session: pkcs11.Session) -> None:
    vault_keys.create_missing_keys(session)
    vault_keys.find_one(session, vault_keys.VAULT.identity, ObjectClass.PUBLIC_KEY).destroy()


def test_half_a_key_pair_is_left_to_the_operator(fresh: VaultFolder) -> None:
    in_child(fresh.softhsm, _only_half_a_pair)
    before = labels(fresh)
    assert "strongroom.identity" in fresh.operator("init", "--yes", code=1).stderr
    assert labels(fresh) == before


def test_a_lost_store_is_not_replaced_by_an_empty_one(fresh: VaultFolder) -> None:
    made = fresh.operator("init", "--yes")
    store = fresh.database.rename(fresh.database.with_name("kept.db"))
    assert "new-store" in fresh.operator("init", "--yes", code=1).stderr
    assert fresh.operator("init", "--yes", "--new-store").stdout == made.stdout
    fresh.database.unlink()
    assert store.exists()  # another store of epoch 0: nothing was lost
    shutil.copy(store, fresh.database)
    fresh.operator("init", "--yes", code=1)  # but it is not the one that the anchor remembers
    fresh.database.unlink()
    fresh.operator("init", "--yes", "--new-store")
    with fresh.start() as vault:
        QuickAccount("alice").register(vault)
        assert vault.stop() == 0
    fresh.database.unlink()
    refused = fresh.operator("init", "--yes", "--new-store", code=1)
    assert "remembers a store with" in refused.stderr
    assert not fresh.database.exists()


def _without_anchor(session: pkcs11.Session) -> None:
    for label in vault_keys.VAULT.anchor:
        for slot in list(session.get_objects({Attribute.LABEL: label})):
            slot.destroy()


def test_a_used_store_gets_no_new_anchor(fresh: VaultFolder) -> None:
    fresh.operator("init", "--yes")
    with fresh.start() as vault:
        QuickAccount("alice").register(vault)
        assert vault.stop() == 0
    in_child(fresh.softhsm, _without_anchor)
    before = labels(fresh)
    assert "no anchor" in fresh.operator("init", "--yes", code=1).stderr
    assert labels(fresh) == before


def commits(folder: VaultFolder) -> int:
    """How many commits the running vault has made."""
    return int(json.loads(folder.operator("status", "--json").stdout)["commits"])


def test_what_looks_at_a_busy_vault_raises_no_false_alarm(vault_folder: VaultFolder) -> None:
    """Store and anchor move on between one look and the next."""
    done = threading.Event()
    with vault_folder.start() as vault:
        accounts = [QuickAccount(f"account {number}") for number in range(8)]
        for account in accounts:
            account.register(vault)

        def attempts(account: QuickAccount) -> None:
            with raw_client(vault, account.name) as client:
                guess = Guess.of("wrong")
                while not done.is_set():
                    client.call(guess.call)

        threads = [threading.Thread(target=attempts, args=(account,)) for account in accounts]
        for thread in threads:
            thread.start()
        try:
            before = commits(vault_folder)
            for _ in range(8):
                vault_folder.operator("anchor", "show")
                vault_folder.operator("audit", "verify")
            assert commits(vault_folder) > before + 100
        finally:
            done.set()
            for thread in threads:
                thread.join()
