"""Protecting, rehearsing, deleting: what is refused, and that no key is lost on the way."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import grpc
import pytest
from lying_vault import KEY, KEY_ID, PASSWORD

from strongroom import AttemptLimitRefused, BackupKey, NoKey
from strongroom.cli import protecting
from strongroom.cli.descriptors import NotOneLine
from strongroom.cli.profile.stored_keys import StoredKey
from strongroom.cli.recovering import VaultHasOther
from strongroom.errors import KeyReplaced, ProtectionUncertain, RehearsalFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from served_vault import ServedVault

    from strongroom.cli.device import Device
    from strongroom.requests import ActiveKey

NEW = "nine white owls over two barns"
ENABLE = ("enable", "--password-fd", "FD")


def store(
    device: Device, key: BackupKey, key_id: bytes | None, *, is_pending: bool = False
) -> None:
    with device.open() as session:
        session.require_storage()
        kept = StoredKey(key, key_id)
        if is_pending:
            session.save_pending(kept)
        else:
            session.save_current(kept, is_proven=True)


def another_after(call: str, vault: ServedVault) -> Callable[[ActiveKey], ActiveKey]:
    """Somebody protects another key right after a call."""
    calls = vault.names().count(call) + (call == "GetKey")

    def answer(found: ActiveKey) -> ActiveKey:
        is_other = vault.names().count(call) > calls
        return replace(found, key_id=b"o" * 16) if is_other else found

    return answer


@pytest.mark.parametrize(
    ("key_id", "kind"),
    [
        (b"", protecting.AlreadyEnabled),
        (b"o" * 16, protecting.ChangedElsewhere),
        (None, protecting.KeyUnnamed),
    ],
)
def test_a_key_that_may_be_another_is_not_replaced_without_a_word(
    protected: ServedVault,
    at_served: Callable[..., Device],
    run: Callable[..., None],
    key_id: bytes | None,
    kind: type[Exception],
) -> None:
    if key_id != b"":
        store(at_served(), BackupKey(KEY), key_id)
    with pytest.raises(kind) as refused:
        run(*ENABLE, typed=NEW)
    assert "--replace" in refused.value.hint  # type: ignore[attr-defined]
    assert "StartRegistration" not in protected.names()


def test_the_same_key_gets_a_new_password(
    protected: ServedVault,
    at_served: Callable[..., Device],
    run: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    store(at_served(), BackupKey(KEY), KEY_ID)
    run(*ENABLE, typed=NEW)
    told = capfd.readouterr().err
    assert "It stays the same" in told
    assert "Done. After 10 wrong passwords in a row the vault destroys the key." in told
    with at_served().open() as session:
        assert session.current == StoredKey(BackupKey(KEY), KEY_ID)
    assert "FinishRegistration" in protected.names()


def test_an_attempt_limit_is_refused_before_a_password_is_read(
    protected: ServedVault, run: Callable[..., None]
) -> None:
    with pytest.raises(AttemptLimitRefused, match="3 to 10"):
        run(*ENABLE, "--replace", "--attempt-limit", "11", typed="not\none line")
    assert "StartRegistration" not in protected.names()


def test_a_key_whose_answer_is_lost_is_kept_beside_the_old_one(
    protected: ServedVault, at_served: Callable[..., Device], run: Callable[..., None]
) -> None:
    store(at_served(), BackupKey(KEY), KEY_ID)
    protected.refusals["FinishRegistration"] = [grpc.StatusCode.INTERNAL]
    protected.vault.lies = {"GetKey": another_after("FinishRegistration", protected)}
    with pytest.raises(ProtectionUncertain):
        run(*ENABLE, "--replace", typed=NEW)
    with at_served().open() as session:
        assert session.current == StoredKey(BackupKey(KEY), KEY_ID)
        assert session.pending is not None
        assert session.pending.key != BackupKey(KEY)


def test_a_key_that_a_vault_takes_and_does_not_give_back_is_this_devices_all_the_same(
    protected: ServedVault, at_served: Callable[..., Device], run: Callable[..., None]
) -> None:
    store(at_served(), BackupKey(KEY), KEY_ID)
    protected.vault.lies = {"FinishRecovery": lambda sealed: bytes(len(sealed))}
    with pytest.raises(RehearsalFailed):
        run(*ENABLE, "--replace", typed=NEW)
    with at_served().open() as session:
        assert session.current is not None
        assert session.current.key != BackupKey(KEY)
        assert [kept.key for kept in session.keys.old()] == [BackupKey(KEY)]


def test_a_key_that_came_meanwhile_is_not_replaced(
    protected: ServedVault, at_served: Callable[..., Device], run: Callable[..., None]
) -> None:
    store(at_served(), BackupKey(KEY), KEY_ID)
    protected.vault.lies = {"GetKey": another_after("StartRegistration", protected)}
    with pytest.raises(KeyReplaced):
        run(*ENABLE, "--replace", typed=NEW)
    assert "FinishRegistration" not in protected.names()
    with at_served().open() as session:
        assert session.pending is None


def test_a_change_that_was_cut_off_is_finished_with_the_password_of_then(
    protected: ServedVault,
    at_served: Callable[..., Device],
    run: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    store(at_served(), BackupKey(KEY), KEY_ID, is_pending=True)
    run(*ENABLE, typed=PASSWORD)
    assert "Type the password that you chose for it." in capfd.readouterr().err
    with at_served().open() as session:
        assert (session.current, session.pending) == (StoredKey(BackupKey(KEY), KEY_ID), None)
    assert "StartRegistration" not in protected.names()


def test_a_rehearsal_tells_another_key_and_takes_it_only_if_told_to(
    protected: ServedVault, at_served: Callable[..., Device], run: Callable[..., None]
) -> None:
    mine = BackupKey.generate()
    store(at_served(), mine, os.urandom(16))
    with pytest.raises(VaultHasOther, match="another backup key"):
        run("rehearse", "--password-fd", "FD", typed=PASSWORD)
    run("rehearse", "--adopt", "--password-fd", "FD", typed=PASSWORD)
    with at_served().open() as session:
        assert session.current == StoredKey(BackupKey(KEY), KEY_ID)
        assert [kept.key for kept in session.keys.old()] == [mine]
    assert protected.names().count("StartRecovery") == 2


def test_change_password_on_a_device_without_a_key_says_that_it_keeps_it(
    protected: ServedVault, run: Callable[..., None], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotOneLine):
        run("change-password", "--password-fd", "FD", typed=f"{PASSWORD}\n{NEW}\n")
    assert "will keep the key" in capfd.readouterr().err
    assert "StartRecovery" not in protected.names()


class TestDisable:
    def test_a_no_deletes_nothing(
        self,
        protected: ServedVault,
        at_served: Callable[..., Device],
        run: Callable[..., None],
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
        with pytest.raises(click.Abort):
            run("disable")
        told = capfd.readouterr().err
        assert "only the 64-digit key does, or a device that keeps it." in told
        assert told.endswith("Delete the key from the vault for good? [y/N]: ")
        store(at_served(), BackupKey(KEY), KEY_ID)
        monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
        with pytest.raises(click.Abort):
            run("disable")
        assert "only the 64-digit key does, or this device." in capfd.readouterr().err
        assert "DeleteKey" not in protected.names()

    def test_a_yes_deletes_the_key_that_was_meant(
        self,
        protected: ServedVault,
        run: Callable[..., None],
        capfd: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("perhaps\ny\n"))
        run("disable")
        assert "Deleted. Backups made with that key" in capfd.readouterr().err
        assert protected.names().count("DeleteKey") == 1

    def test_another_one_that_came_meanwhile_is_not_deleted(
        self, protected: ServedVault, run: Callable[..., None]
    ) -> None:
        protected.vault.lies = {"GetKey": another_after("GetKey", protected)}
        with pytest.raises(protecting.ReplacedMeanwhile):
            run("disable", "--yes")
        assert "DeleteKey" not in protected.names()

    def test_nobody_is_asked_about_a_key_that_is_not_there(
        self, protected: ServedVault, at_served: Callable[..., Device]
    ) -> None:
        with at_served().open() as session:
            session.status = None
            with pytest.raises(NoKey):
                protecting.disable(session, yes=False)
        assert "DeleteKey" not in protected.names()
