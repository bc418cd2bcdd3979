"""An older database comes back: the vault notices, and the operator decides."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from raw_client import Guess, raw_client

from strongroom import (
    ActiveKey,
    BackupKey,
    KeyDestroyed,
    NoKey,
    RollbackDetected,
    StrongroomError,
    WrongPassword,
)

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess

PASSWORD = "correct horse battery staple"


def protect(vault: VaultProcess, account: str) -> BackupKey:
    key = BackupKey.generate()
    with vault.connect(account) as client:
        client.protect(key, PASSWORD)
    return key


def left(vault: VaultProcess, account: str = "alice") -> int:
    with vault.connect(account) as client:
        status = client.status()
    assert isinstance(status, ActiveKey)
    return status.attempts_left


def content(database: Path) -> list[str]:
    """Every row of every table. Opening a store may change its file's header, nothing else."""
    with closing(sqlite3.connect(database)) as db:
        return list(db.iterdump())


@pytest.fixture
def old_copy(vault_folder: VaultFolder, tmp_path: Path) -> Path:
    """A vault with alice's key and four wrong guesses, and a backup from before the guesses."""
    copy = tmp_path / "old.db"
    with vault_folder.start() as vault:
        protect(vault, "alice")
        vault_folder.operator("backup", str(copy))
        protect(vault, "bob")
        with vault.connect("alice") as client:
            for _ in range(4):
                with pytest.raises(WrongPassword):
                    client.recover("wrong")
        assert left(vault) == 6
        assert vault.stop() == 0
    return copy


def test_an_older_database_is_not_served(vault_folder: VaultFolder, old_copy: Path) -> None:
    shutil.copy(old_copy, vault_folder.database)
    before = content(vault_folder.database)
    with vault_folder.start() as vault:
        with vault.connect("alice", timeout=3) as client:
            for call in (client.status, client.delete):
                with pytest.raises(RollbackDetected):
                    call()
            with pytest.raises(RollbackDetected):
                client.recover(PASSWORD)
        assert not vault.is_serving()
        assert "commits are missing" in vault.log()
        assert "serving        no" in vault_folder.operator("status", code=4).stdout
        assert vault.stop() == 0
    assert content(vault_folder.database) == before
    shown = vault_folder.operator("anchor", "show", code=1)
    assert "commits are missing" in shown.stderr


def test_accepting_a_loss_leaves_one_attempt_until_the_next_success(
    vault_folder: VaultFolder, old_copy: Path
) -> None:
    shutil.copy(old_copy, vault_folder.database)
    vault_folder.operator("anchor", "accept", typed="not its id\n", code=1)
    vault_folder.operator("anchor", "accept", typed="vault.test\n")
    vault_folder.operator("anchor", "show")
    vault_folder.operator("anchor", "accept", code=1)  # there is no loss any more
    with vault_folder.start() as vault:
        assert vault.is_serving()
        assert left(vault) == 1
        with vault.connect("bob") as bob, pytest.raises(NoKey):
            bob.recover(PASSWORD)  # registered after the copy was made: lost
        with vault.connect("alice") as alice:
            alice.recover(PASSWORD)
        assert left(vault) == 10
        assert vault.stop() == 0
    vault_folder.operator("audit", "verify")
    assert '"event":"loss accepted"' in vault_folder.operator("audit", "export").stdout


def test_rollbacks_cannot_be_farmed_for_guesses(vault_folder: VaultFolder, old_copy: Path) -> None:
    """Each accepted loss, an operator's act that is logged, gives one guess at most."""
    remembered = Guess.of("remembered")
    for _ in range(3):
        for file in vault_folder.folder.glob("vault.db*"):
            file.unlink()
        shutil.copy(old_copy, vault_folder.database)
        vault_folder.operator("anchor", "accept", typed="vault.test\n")
        evaluated = 0
        with vault_folder.start() as vault:
            for guess in (remembered, Guess.of("one"), Guess.of("two")):
                with raw_client(vault, "alice") as client:
                    try:
                        client.call(guess.call)
                    except StrongroomError as error:
                        assert isinstance(error, KeyDestroyed)  # noqa: PT017
                    else:
                        evaluated += 1
            assert vault.stop() == 0
        assert evaluated == 1


def test_backup_and_restore(vault_folder: VaultFolder, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with vault_folder.start() as vault:
        key = protect(vault, "alice")
        vault_folder.operator("backup", str(copy))
        vault_folder.operator("backup", str(copy), code=1)  # never overwritten
        vault_folder.operator("restore", str(copy), code=1)  # the vault is running
        assert vault.stop() == 0
    assert copy.stat().st_mode & 0o077 == 0
    for file in vault_folder.folder.glob("vault.db*"):
        file.unlink()
    vault_folder.operator("restore", str(copy))
    with vault_folder.start() as vault:
        with vault.connect("alice") as client:
            assert client.recover(PASSWORD) == key
        assert vault.stop() == 0


def test_an_older_copy_is_restored_only_on_purpose(
    vault_folder: VaultFolder, old_copy: Path
) -> None:
    refused = vault_folder.operator("restore", str(old_copy), code=1)
    assert "commits are missing" in refused.stderr
    vault_folder.operator("anchor", "show")  # nothing was touched
    vault_folder.operator("restore", "--older", str(old_copy))
    assert list(vault_folder.folder.glob("vault.db.before-*"))
    vault_folder.operator("anchor", "show", code=1)
    vault_folder.operator("anchor", "accept", typed="vault.test\n")
    with vault_folder.start() as vault:
        assert left(vault) == 1
        assert vault.stop() == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE record SET sealed = zeroblob(512)",
        "DELETE FROM record",
        "UPDATE bucket SET hash = zeroblob(32)",
        "DELETE FROM head",
        "UPDATE setting SET value = 'other' WHERE name = 'vault id'",
    ],
)
def test_a_damaged_copy_is_not_restored(
    vault_folder: VaultFolder, old_copy: Path, damage: str
) -> None:
    database = sqlite3.connect(old_copy)
    with database:
        database.execute(damage)
    database.close()
    vault_folder.operator("restore", "--older", str(old_copy), code=1)
    vault_folder.operator("anchor", "show")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = X'7b7d' WHERE number = 2",
        "DELETE FROM event WHERE number = 2",
        "DELETE FROM event WHERE number = (SELECT max(number) FROM event)",
        "INSERT INTO event (body) VALUES (X'7b7d')",
    ],
)
def test_a_changed_audit_log_is_noticed(
    vault_folder: VaultFolder,
    old_copy: Path,
    damage: str,
) -> None:
    vault_folder.operator("audit", "verify")
    database = sqlite3.connect(vault_folder.database)
    with database:
        database.execute(damage)
    database.close()
    assert "was changed" in vault_folder.operator("audit", "verify", code=1).stderr


def test_the_audit_log_tells_what_happened_and_to_which_record_alone(
    vault_folder: VaultFolder,
    old_copy: Path,
) -> None:
    lines = vault_folder.operator("audit", "export").stdout
    counted = {
        event: lines.count(f'"event":"{event}"')
        for event in ("initialised", "registered", "attempt", "released", "wrong password")
    }
    assert counted == {
        "initialised": 1,
        "registered": 2,
        "attempt": 6,
        "released": 2,
        "wrong password": 4,
    }
    assert "alice" not in lines


def test_a_second_vault_on_the_same_token_is_refused(
    vault_folder: VaultFolder, tmp_path: Path
) -> None:
    """Even with a store of its own, which is a perfect copy."""
    other = tmp_path / "other"
    shutil.copytree(vault_folder.folder, other)
    settings = other / "strongroom-vault.toml"
    with vault_folder.start() as vault:
        done = subprocess.run(
            [*vault_folder.command("serve")[:-1], str(settings)],
            env=vault_folder.environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        assert "another vault uses the token" in done.stderr
        assert vault.stop() == 0
