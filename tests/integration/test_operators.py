"""What operators ask of the running vault: records, and the rotation of the wrap key."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from quick_account import QuickAccount
from raw_client import Guess, raw_client

from strongroom import (
    HsmUnavailable,
    KeyDestroyed,
    NoKey,
    StateExpired,
    VaultBusy,
)

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder, VaultProcess

ACCOUNTS = 24
KILLS = 6


def registered(vault: VaultProcess, count: int) -> list[QuickAccount]:
    accounts = [QuickAccount(f"account-{number}") for number in range(count)]
    for account in accounts:
        account.register(vault)
    return accounts


def shown(folder: VaultFolder, account: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        folder.operator("records", "show", account, "--json").stdout
    )
    return found


def status(folder: VaultFolder, code: int = 4) -> dict[str, object]:
    """What `status` says of a vault that does not serve, or with code 0 of one that does."""
    found: dict[str, object] = json.loads(folder.operator("status", "--json", code=code).stdout)
    return found


class TestDrain:
    def test_calls_are_refused_uncharged_until_it_ends(self, vault_folder: VaultFolder) -> None:
        with vault_folder.start() as vault:
            account = QuickAccount("alice")
            account.register(vault)
            assert "drained" in vault_folder.operator("drain").stderr
            for guess in (Guess.of("one"), Guess.of("two")):
                with pytest.raises(VaultBusy), raw_client(vault) as raw:
                    raw.call(guess.call)
            found = status(vault_folder)
            assert (found["draining"], found["serving"], found["in_flight"]) == (True, False, 0)
            assert "drained by an operator" in vault_folder.operator("status", code=4).stdout
            time.sleep(1.5)
            assert not vault.is_serving()
            vault_folder.operator("resume")
            assert account.recover(vault) == account.sealed
            assert shown(vault_folder, "alice")["charged"] == 1
            time.sleep(1.5)
            assert vault.is_serving()

    def test_it_waits_for_what_is_charged(self, vault_folder: VaultFolder) -> None:
        with vault_folder.start() as vault:
            QuickAccount("alice").register(vault)
            workers = vault.workers()
            answers: list[object] = []

            def attempt() -> None:
                with raw_client(vault) as raw:
                    answers.append(raw.call(Guess.of("wrong").call))

            for worker in workers:
                os.kill(worker, signal.SIGSTOP)
            calling = threading.Thread(target=attempt)
            calling.start()
            time.sleep(0.5)
            draining = subprocess.Popen(
                vault_folder.command("drain"), env=vault_folder.environment()
            )
            for _ in range(100):
                if b"draining" in (vault_folder.folder / "vault.log").read_bytes():
                    break
                time.sleep(0.05)
            found = status(vault_folder)
            assert found["in_flight"] == 1
            time.sleep(0.5)
            assert draining.poll() is None
            assert not answers
            for worker in workers:
                os.kill(worker, signal.SIGCONT)
            assert draining.wait(20) == 0
            calling.join(20)
            assert len(answers) == 1


class TestRecords:
    def test_show_and_delete(self, vault_folder: VaultFolder) -> None:
        with vault_folder.start() as vault:
            vault_folder.operator("records", "show", "alice", code=1)
            account = QuickAccount("alice")
            account.register(vault)
            with raw_client(vault) as raw:
                raw.call(Guess.of("wrong").call)
            record = shown(vault_folder, "alice")
            assert record["state"] == "active"
            assert (record["attempt_limit"], record["attempts_left"]) == (10, 9)
            assert (record["residency"], record["wrap_key"]) == ("wrapped", 0)
            table = vault_folder.operator("records", "show", "alice").stdout
            assert "attempts left   9" in table
            vault_folder.operator("records", "delete", "alice", typed="n\n", code=1)
            assert account.recover(vault) == account.sealed
            vault_folder.operator("records", "delete", "alice", "--yes")
            assert shown(vault_folder, "alice")["state"] == "deleted"
            vault_folder.operator("records", "delete", "alice", "--yes", code=1)
            with pytest.raises(NoKey):
                account.recover(vault)
            record_id = str(record["record_id"])
            assert record_id in vault_folder.operator("audit", "export").stdout
            vault.stop()
        refused = vault_folder.operator("records", "show", "alice", code=1)
        assert "is it running" in refused.stderr

    def test_a_destroyed_key(self, vault_folder: VaultFolder) -> None:
        with vault_folder.start() as vault:
            QuickAccount("alice").register(vault)
            with raw_client(vault) as raw:
                for number in range(10):
                    raw.call(Guess.of(str(number)).call)
                with pytest.raises(KeyDestroyed):
                    raw.call(Guess.of("once more").call)
            assert shown(vault_folder, "alice")["state"] == "destroyed"
            vault.stop()


class TestRotation:
    def test_while_the_vault_serves(self, vault_folder: VaultFolder, tmp_path: Path) -> None:
        old_copy = tmp_path / "old.db"
        with vault_folder.start() as vault:
            accounts = registered(vault, ACCOUNTS)
            late = QuickAccount("late")
            finish, _ = late.begin(vault)
            vault_folder.operator("backup", str(old_copy))
            is_over = threading.Event()
            served: list[bool] = []

            def serve() -> None:
                while not is_over.is_set():
                    for account in accounts:
                        with suppress(HsmUnavailable, VaultBusy):
                            served.append(account.recover(vault) == account.sealed)

            clients = threading.Thread(target=serve)
            clients.start()
            done = vault_folder.operator("rotate-wrap-key")
            is_over.set()
            clients.join()
            looked = json.loads(vault_folder.operator("rotate-wrap-key", "--status").stdout)
            assert (looked["stage"], looked["wrap_key"]) == ("done", 1)
            assert f"{ACCOUNTS} records are under wrap key 1" in done.stderr
            assert len(served) > 5
            assert all(served)
            for account in accounts:
                assert account.recover(vault) == account.sealed
                assert shown(vault_folder, account.name)["wrap_key"] == 1
            with raw_client(vault, "late") as raw, pytest.raises(StateExpired):
                raw.call(finish)  # began under the old key
            late.register(vault)
            assert late.recover(vault) == late.sealed
            assert vault.stop() == 0
        with vault_folder.start() as vault:
            for account in (*accounts, late):
                assert account.recover(vault) == account.sealed
            with raw_client(vault, "late") as raw, pytest.raises(StateExpired):
                raw.call(finish)  # and a new process knows it too
            assert vault.stop() == 0
        log = vault_folder.operator("audit", "export").stdout
        assert '"event":"wrap key made"' in log
        assert '"event":"wrap key destroyed"' in log
        assert "number 1: sensitive" in vault_folder.operator("doctor").stdout
        self._an_older_copy_is_useless(vault_folder, old_copy, accounts[0])

    def test_a_row_that_cannot_be_read_keeps_the_old_wrap_key(
        self, vault_folder: VaultFolder
    ) -> None:
        """A rotation that is shown too few records would destroy the key of the others for ever."""
        with vault_folder.start() as vault:
            accounts = registered(vault, ACCOUNTS)
            with closing(sqlite3.connect(vault_folder.database)) as database, database:
                rows = database.execute("SELECT id, sealed FROM record ORDER BY id").fetchall()
                name, sealed = rows[len(rows) // 2]
                change = "UPDATE record SET sealed = ? WHERE id = ?"
                database.execute(change, (sealed[:-1] + bytes((sealed[-1] ^ 1,)), name))
            done = vault_folder.operator("rotate-wrap-key", code=1)
            assert "not written by this vault" in done.stderr
            assert not status(vault_folder)["serving"]
            assert vault.stop() == 0
        with closing(sqlite3.connect(vault_folder.database)) as database, database:
            database.execute(change, (sealed, name))
        with vault_folder.start() as vault:
            for account in accounts:
                assert account.recover(vault) == account.sealed
            vault_folder.operator("rotate-wrap-key")
            for account in accounts:
                assert account.recover(vault) == account.sealed
                assert shown(vault_folder, account.name)["wrap_key"] == 1
            assert vault.stop() == 0

    @staticmethod
    def _an_older_copy_is_useless(
        folder: VaultFolder, old_copy: Path, account: QuickAccount
    ) -> None:
        restored = folder.operator("restore", str(old_copy), "--older")
        assert f"{ACCOUNTS} of its keys are lost" in restored.stderr
        folder.operator("anchor", "accept", typed="vault.test\n")
        with folder.start() as vault:
            for _ in range(3):
                with pytest.raises(HsmUnavailable):
                    account.recover(vault)
            assert shown(folder, account.name)["attempts_left"] == 1  # each was given back
            late = QuickAccount("later still")
            late.register(vault)
            done = folder.operator("rotate-wrap-key")  # lost keys are in nobody's way
            assert "1 record is under wrap key 2" in done.stderr
            assert late.recover(vault) == late.sealed
            account.register(vault)
            assert account.recover(vault) == account.sealed
            assert vault.stop() == 0

    def test_killed_anywhere_and_done_again(self, vault_folder: VaultFolder) -> None:
        choose = random.Random(3)
        with vault_folder.start() as vault:
            accounts = registered(vault, ACCOUNTS)
            vault.stop()
        for _ in range(KILLS):
            with vault_folder.start() as vault:
                for account in accounts[::5]:
                    assert account.recover(vault) == account.sealed
                display = subprocess.Popen(
                    vault_folder.command("rotate-wrap-key"),
                    env=vault_folder.environment(),
                    stderr=subprocess.DEVNULL,
                )
                time.sleep(choose.uniform(0.3, 2.0))
                vault.kill()
                display.wait(60)
        with vault_folder.start() as vault:
            vault_folder.operator("rotate-wrap-key")
            for account in accounts:
                assert account.recover(vault) == account.sealed
            numbers = {shown(vault_folder, account.name)["wrap_key"] for account in accounts}
            assert len(numbers) == 1
            assert vault.stop() == 0
        assert "wrap keys            number" in vault_folder.operator("doctor").stdout

    def test_twice_in_a_row(self, vault_folder: VaultFolder) -> None:
        with vault_folder.start() as vault:
            account = QuickAccount("alice")
            account.register(vault)
            for number in (1, 2):
                vault_folder.operator("rotate-wrap-key")
                assert shown(vault_folder, "alice")["wrap_key"] == number
                assert account.recover(vault) == account.sealed
            assert vault.stop() == 0
