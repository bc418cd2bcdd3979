"""What breaks at night, made to break: the token goes and comes back, the disk fills, keys change.

Each time: a typed refusal that costs no attempt, the right health, a log line, a metric, and, where
it is possible, full service again without a restart.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from quick_account import QuickAccount
from raw_client import Guess, raw_client
from vault_process import REPOSITORY, VAULT_ID, VaultProcess

from strongroom import (
    AccessTokenInvalid,
    ActiveKey,
    HsmUnavailable,
    RollbackDetected,
    StoreUnavailable,
)
from strongroom.requests import GetKey
from strongroom_vault.operator import development_ca, issuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vault_process import SoftHsm, VaultFolder

PATIENCE_S = 60.0


def eventually(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_at, "it never came to that"
        time.sleep(0.1)


def attempts_left(vault: VaultProcess, account: str = "alice") -> int:
    with raw_client(vault, account) as raw:
        found = raw.call(GetKey())
    assert isinstance(found, ActiveKey)
    return found.attempts_left


def metric(vault: VaultProcess, name: str) -> float:
    address = vault.folder.settings().metrics.address
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


@pytest.fixture
def measured(vault_folder: VaultFolder) -> VaultFolder:
    """A vault with metrics."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with vault_folder.settings_file.open("a") as settings:
        settings.write(f'\n[metrics]\naddress = "{address}"\n')
    return vault_folder


@contextmanager
def unplugged(softhsm: SoftHsm) -> Iterator[None]:
    """The token is gone: SoftHSM finds no folder where its tokens were."""
    tokens = softhsm.folder / "tokens"
    elsewhere = tokens.rename(softhsm.folder / "unplugged")
    yield
    elsewhere.rename(tokens)


def test_the_token_goes_away_and_comes_back(measured: VaultFolder) -> None:
    with measured.start() as vault:
        account = QuickAccount("alice")
        account.register(vault)
        with unplugged(measured.softhsm):
            for _ in range(3):
                with pytest.raises(HsmUnavailable):
                    account.recover(vault)
            for worker in vault.workers():
                os.kill(worker, signal.SIGKILL)
            eventually(lambda: "token worker does not start" in vault.log())
            eventually(lambda: not vault.is_serving())
            assert metric(vault, "strongroom_serving") == 0
            assert metric(vault, "strongroom_token_workers_ready") == 0
            with pytest.raises(HsmUnavailable):
                account.recover(vault)
        eventually(vault.is_serving)
        assert account.recover(vault) == account.sealed
        assert attempts_left(vault) == 10
        eventually(lambda: metric(vault, "strongroom_token_workers_ready") == 2)
        assert vault.stop() == 0


def test_a_module_that_hangs_while_nobody_asks_is_missed(measured: VaultFolder) -> None:
    text = measured.settings_file.read_text()
    measured.settings_file.write_text(
        text.replace("workers = 2", "workers = 1\ncall_timeout_s = 2.0")
    )
    with measured.start() as vault:
        eventually(lambda: metric(vault, "strongroom_serving") == 1)
        (hung,) = vault.workers()
        os.kill(hung, signal.SIGSTOP)
        eventually(lambda: metric(vault, "strongroom_serving") == 0)
        eventually(vault.is_serving)
        assert vault.workers() != [hung]
        assert metric(vault, "strongroom_token_workers_replaced_total") >= 1
        assert vault.stop() == 0


def test_a_wrong_pin_at_start_has_an_exit_code_of_its_own(measured: VaultFolder) -> None:
    """A supervisor that started the vault again and again would lock the token."""
    right = measured.softhsm.pin_file.read_text()
    measured.softhsm.pin_file.write_text("not the PIN")
    measured.operator("serve", code=3)
    measured.operator("anchor", "show", code=3)
    measured.softhsm.pin_file.write_text(right)
    unit = (REPOSITORY / "deploy" / "strongroom-vault.service").read_text()
    assert "RestartPreventExitStatus=3" in unit


def test_workers_that_die_while_nobody_asks_are_replaced(measured: VaultFolder) -> None:
    with measured.start() as vault:
        eventually(vault.is_serving)  # health has asked them by then
        for worker in vault.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: metric(vault, "strongroom_token_workers_replaced_total") == 2)
        assert "ended while it was idle" in vault.log()
        assert vault.is_serving()
        assert vault.stop() == 0


def test_a_pin_that_is_wrong_is_tried_once(measured: VaultFolder) -> None:
    with measured.start() as vault:
        account = QuickAccount("alice")
        account.register(vault)
        right = measured.softhsm.pin_file.read_text()
        measured.softhsm.pin_file.write_text("not the PIN")
        for worker in vault.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: "not tried again" in vault.log())  # the other worker's successor
        time.sleep(1.5)  # long enough for a second try, if there were one
        refused = [line for line in vault.log().splitlines() if "does not accept the PIN" in line]
        assert len([line for line in refused if "not tried again" not in line]) == 1
        assert not vault.is_serving()
        measured.softhsm.pin_file.write_text(right)
        assert vault.stop() == 0
    with measured.start() as vault:
        assert account.recover(vault) == account.sealed
        assert attempts_left(vault) == 10
        assert vault.stop() == 0


@contextmanager
def full_disk(vault: VaultProcess) -> Iterator[None]:
    """The vault's process can make no file longer, as on a full disk; its log neither."""
    resource.prlimit(vault.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    resource.prlimit(vault.process.pid, resource.RLIMIT_FSIZE, unlimited)


def test_a_full_disk(measured: VaultFolder) -> None:
    with measured.start() as vault:
        account = QuickAccount("alice")
        account.register(vault)
        with full_disk(vault):
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    account.recover(vault)
                with pytest.raises(StoreUnavailable), raw_client(vault) as raw:
                    raw.call(Guess.of("wrong").call)
            assert metric(vault, "strongroom_store_errors_total") >= 6
            eventually(lambda: not vault.is_serving())
            assert metric(vault, "strongroom_serving") == 0
            measured.operator("status", code=4)
            assert vault.process.poll() is None
        assert account.recover(vault) == account.sealed
        with raw_client(vault) as raw:
            raw.call(Guess.of("wrong").call)
        assert attempts_left(vault) == 9  # none of those on the full disk was charged
        eventually(vault.is_serving)
        assert vault.stop() == 0
    with measured.start() as vault:
        assert account.recover(vault) == account.sealed
        assert vault.stop() == 0


def mount_namespace(folder: Path) -> list[str]:
    """What runs a program with mounts of its own; a container may refuse that to everybody."""
    said = ""
    for how in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        tried = subprocess.run(
            [*how, "mount", "--bind", folder, folder], check=False, capture_output=True, text=True
        )
        if tried.returncode == 0:
            return how
        said = tried.stderr
    pytest.skip(f"no mount namespaces here: {said}")


def test_a_store_on_a_read_only_file_system(measured: VaultFolder) -> None:
    """As a file system is after errors of its disk. The vault says so, and changes nothing."""
    before = measured.database.read_bytes()
    read_only = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    shell = [*mount_namespace(measured.folder), "sh", "-c", read_only, str(measured.folder)]
    done = subprocess.run(
        [*shell, *measured.command("serve")],
        env=measured.environment(),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
    assert measured.database.read_bytes() == before
    with measured.start() as vault:
        assert vault.is_serving()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE head SET stored = zeroblob(length(stored))",
        "DELETE FROM head",
        "INSERT INTO bucket VALUES (131077, zeroblob(32))",
        "INSERT INTO bucket VALUES (7, zeroblob(31))",
    ],
    ids=["a foreign head", "no head", "a bucket that cannot be", "a hash that is none"],
)
def test_a_store_that_cannot_be_served_is_seen_from_outside(
    measured: VaultFolder, damage: str
) -> None:
    """The alert must fire, so the metrics must be there whatever the database is."""
    with closing(sqlite3.connect(measured.database)) as database, database:
        database.execute(damage)
    with measured.start() as vault:
        assert metric(vault, "strongroom_rollback_detected") == 1
        assert metric(vault, "strongroom_serving") == 0
        assert "rollback detected" in vault.log()
        assert not vault.is_serving()
        with pytest.raises(RollbackDetected), raw_client(vault) as raw:
            raw.call(GetKey())
        measured.operator("rotate-wrap-key", code=1)
        assert "Traceback" not in vault.log()
        assert vault.stop() == 0


def served_certificate(vault: VaultProcess) -> str:
    host, port = vault.address.split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_a_certificate_is_reloaded_and_connections_stay(
    measured: VaultFolder, tmp_path: Path
) -> None:
    old, key = measured.certificate, measured.folder / development_ca.KEY_FILE
    roots = grpc.ssl_channel_credentials(old.read_bytes())
    with (
        measured.start() as vault,
        grpc.secure_channel(vault.address, roots) as channel,
    ):
        health = health_pb2_grpc.HealthStub(channel)
        health.Check(health_pb2.HealthCheckRequest(), timeout=10)
        before = served_certificate(vault)
        ends_at = metric(vault, "strongroom_certificate_ends_seconds")
        time.sleep(1.1)  # so that the new one ends later
        development_ca.create_self_signed(tmp_path / "new", ("localhost",))
        shutil.copy(tmp_path / "new" / development_ca.CERTIFICATE_FILE, old)
        vault.process.send_signal(signal.SIGHUP)  # the key does not fit yet
        eventually(lambda: "certificate kept" in vault.log())
        assert served_certificate(vault) == before
        shutil.copy(tmp_path / "new" / development_ca.KEY_FILE, key)
        vault.process.send_signal(signal.SIGHUP)
        eventually(lambda: "certificate reloaded" in vault.log())
        assert served_certificate(vault) != before
        assert old.read_text().startswith(served_certificate(vault))  # its authority's follows
        assert metric(vault, "strongroom_certificate_ends_seconds") > ends_at
        health.Check(health_pb2.HealthCheckRequest(), timeout=10)  # the old connection
        QuickAccount("alice").register(vault)
        assert vault.stop() == 0


def test_signing_keys_are_rotated(measured: VaultFolder, tmp_path: Path) -> None:
    """A new key in the set is believed at once; one that is taken out no longer."""
    new = tmp_path / "new"
    issuer.create_issuer(new)
    with measured.start() as vault:
        account = QuickAccount("alice")
        account.register(vault)
        stranger = issuer.issue(new, VAULT_ID, "alice", "read", 600)
        with raw_client(vault, token=stranger) as raw, pytest.raises(AccessTokenInvalid):
            raw.call(GetKey())
        shutil.copy(new / issuer.SET_FILE, measured.folder / issuer.SET_FILE)
        with raw_client(vault, token=stranger) as raw:
            assert isinstance(raw.call(GetKey()), ActiveKey)
        unseen = measured.access_token("alice", lifetime_s=601)
        with raw_client(vault, token=unseen) as raw, pytest.raises(AccessTokenInvalid):
            raw.call(GetKey())
        (measured.folder / issuer.SET_FILE).write_text("half a fi")
        with raw_client(vault, token=stranger) as raw:
            assert isinstance(raw.call(GetKey()), ActiveKey)
        assert vault.stop() == 0


def test_a_log_that_nobody_reads_stops_nothing(measured: VaultFolder) -> None:
    """stderr is a pipe whose reader has gone."""
    ours, theirs = os.pipe()
    process = subprocess.Popen(
        measured.command("serve"), env=measured.environment(), stderr=theirs, text=True
    )
    os.close(theirs)
    with os.fdopen(ours) as log:
        port = next(json.loads(line)["port"] for line in log if '"event": "serving"' in line)
    with VaultProcess(measured, process, port) as vault:  # type: ignore[arg-type]
        account = QuickAccount("alice")
        account.register(vault)
        for worker in vault.workers():
            os.kill(worker, signal.SIGKILL)
        eventually(lambda: metric(vault, "strongroom_token_workers_replaced_total") == 2)
        assert account.recover(vault) == account.sealed
        assert vault.stop() == 0
