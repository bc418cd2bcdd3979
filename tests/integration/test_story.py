"""The main job over a real vault: protect, recover, wrong passwords, destruction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom import (
    ActiveKey,
    AsyncVault,
    BackupKey,
    DestroyedKey,
    KeyDestroyed,
    KeyExists,
    NoKey,
    RehearsalFailed,
    WrongPassword,
)

if TYPE_CHECKING:
    from vault_process import VaultProcess

PASSWORD = "correct horse battery staple"


def test_a_key_comes_back_with_the_password(shared_vault: VaultProcess, account: str) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        assert vault.protect(key, PASSWORD).attempt_limit == 10
        identity = vault.identity()
    with shared_vault.connect(account, identity=identity) as other_device:
        assert other_device.recover(PASSWORD) == key


def test_wrong_passwords_are_counted_and_success_clears_them(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD)
        for left in (9, 8, 7):
            with pytest.raises(WrongPassword) as wrong:
                vault.recover("wrong")
            assert wrong.value.attempts_left == left
        assert vault.recover(PASSWORD) == key
        status = vault.status()
        assert isinstance(status, ActiveKey)
        assert status.attempts_left == 10


def test_at_the_limit_the_key_is_gone_for_the_right_password_too(
    shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
        for _ in range(2):
            with pytest.raises(WrongPassword):
                vault.recover("wrong")
        with pytest.raises(KeyDestroyed) as destroyed:
            vault.recover("wrong")
        assert destroyed.value.cause == "attempt_limit"
        with pytest.raises(KeyDestroyed):
            vault.recover(PASSWORD)
        assert isinstance(vault.status(), DestroyedKey)


def test_a_destroyed_account_may_register_again_and_has_all_attempts(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
        for _ in range(3):
            with pytest.raises((WrongPassword, KeyDestroyed)):
                vault.recover("wrong")
        vault.protect(key, PASSWORD)
        status = vault.status()
        assert isinstance(status, ActiveKey)
        assert status.attempts_left == 10
        assert vault.recover(PASSWORD) == key


def test_changing_the_password_keeps_key_and_limit_and_ends_the_old_password(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD, attempt_limit=4)
        changed = vault.protect(key, "another " + PASSWORD)
        assert changed.attempt_limit == 4
        assert vault.recover("another " + PASSWORD) == key
        with pytest.raises(WrongPassword):
            vault.recover(PASSWORD)


def test_a_key_is_replaced_unless_the_application_says_otherwise(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        first = vault.protect(key, PASSWORD, replace=False)
        with pytest.raises(KeyExists) as error:
            vault.protect(BackupKey.generate(), PASSWORD, replace=False)
        assert error.value.key_id == first.key_id
        assert vault.recover(PASSWORD) == key
        vault.delete()
        assert vault.protect(key, PASSWORD, replace=False).key_id != first.key_id


def test_a_deleted_key_is_gone(shared_vault: VaultProcess, account: str) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD)
        with pytest.raises(WrongPassword):
            vault.recover("wrong")
        vault.delete()
        assert vault.status() is None
        with pytest.raises(NoKey):
            vault.recover(PASSWORD)
        with pytest.raises(NoKey):
            vault.delete()
        assert vault.protect(BackupKey.generate(), PASSWORD).attempt_limit == 10


def test_a_rehearsal_compares_with_the_key_at_hand(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD)
        vault.rehearse(PASSWORD, key)
        with pytest.raises(RehearsalFailed):
            vault.rehearse(PASSWORD, BackupKey.generate())


def test_passwords_are_normalised(shared_vault: VaultProcess, account: str) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, "Schl\u00fcssel\u3000am Brett")  # composed, ideographic space
        assert vault.recover("Schlu\u0308ssel am Brett") == key  # decomposed, plain space


async def test_the_asynchronous_client_does_the_same(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    async with AsyncVault.connect(
        shared_vault.address,
        access_token=shared_vault.folder.access_token(account),
        ca_certificates=shared_vault.folder.certificate,
    ) as vault:
        await vault.protect(key, PASSWORD)
        with pytest.raises(WrongPassword):
            await vault.recover("wrong")
        assert await vault.recover(PASSWORD) == key
        await vault.rehearse(PASSWORD, key)
        assert len(await vault.identity()) == 44
        await vault.delete()
        assert await vault.status() is None
