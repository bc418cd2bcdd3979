"""Answers that are lost between vault and client, against a real vault: what each of them costs.

Covered: the answers to StartRecovery and FinishRecovery, also of the last attempt; those to
FinishRegistration, with and without the chance to ask; a rehearsal that the network cuts off; two
devices and the last attempt; access tokens that change their account.
Not covered: a vault that lies about what it did (`test_lying_vault.py`).
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from strongroom import (
    AccountMismatch,
    ActiveKey,
    AsyncVault,
    BackupKey,
    KeyDestroyed,
    LastAttemptUnderWay,
    ProtectionUncertain,
    RehearsalUnfinished,
    Vault,
    VaultUnreachable,
    WrongPassword,
)
from strongroom.attempts import InMemory

if TYPE_CHECKING:
    from vault_process import VaultProcess

    from strongroom.requests import Request

PASSWORD = "seven brown foxes under one roof"


class Losing:
    """A transport that loses the answers to some calls after the vault gave them."""

    def __init__(self, vault: Vault, *names: str) -> None:
        self._inner = vault._transport
        self.names = set(names)
        self.before: set[str] = set()
        vault._transport = self  # type: ignore[assignment]

    def call(self, request: Request[Any]) -> Any:
        name = type(request).__name__
        if name in self.before:
            raise VaultUnreachable
        answer = self._inner.call(request)
        if name in self.names:
            raise VaultUnreachable
        return answer

    def close(self) -> None:
        self._inner.close()


class Lost(grpc.RpcError):
    """What gRPC raises where an answer was lost."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def trailing_metadata(self) -> Any:
        return ()


def attempts_left(vault: Vault) -> int:
    found = vault.status()
    assert isinstance(found, ActiveKey)
    return found.attempts_left


@pytest.mark.parametrize("lost", ["StartRecovery", "FinishRecovery"])
def test_the_right_password_on_the_last_attempt_whose_answers_are_lost(
    shared_vault: VaultProcess, account: str, lost: str
) -> None:
    """Two of three were wrong; a new KE1 for the third would destroy the key."""
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD, attempt_limit=3)
        for _ in range(2):
            with pytest.raises(WrongPassword):
                vault.recover("wrong")
        network = Losing(vault, lost)
        for _ in range(2):
            with pytest.raises(VaultUnreachable):
                vault.recover(PASSWORD)
        network.names.clear()
        assert vault.recover(PASSWORD) == key
        assert attempts_left(vault) == 3


def test_a_seed_that_is_kept_elsewhere_goes_on_after_the_process_is_gone(
    shared_vault: VaultProcess, account: str
) -> None:
    key, kept = BackupKey.generate(), InMemory()
    token = shared_vault.folder.access_token(account)

    def device() -> Vault:
        return Vault.connect(
            shared_vault.address,
            access_token=token,
            ca_certificates=shared_vault.folder.certificate,
            pending=kept,
        )

    with device() as vault:
        vault.protect(key, PASSWORD, attempt_limit=3)
        assert kept.load() is None
        Losing(vault, "StartRecovery")
        with pytest.raises(VaultUnreachable):
            vault.recover(PASSWORD)
        assert kept.load() is not None
    with device() as vault:
        assert attempts_left(vault) == 2
        assert vault.recover(PASSWORD) == key
        assert kept.load() is None


def test_another_password_after_a_lost_answer_is_another_attempt(
    shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
        network = Losing(vault, "StartRecovery")
        with pytest.raises(VaultUnreachable):
            vault.recover("wrong one")
        network.names.clear()
        with pytest.raises(WrongPassword) as wrong:
            vault.recover("wrong two")
        assert wrong.value.attempts_left == 1


def test_no_new_attempt_beside_the_last_one_of_another_device(
    shared_vault: VaultProcess, account: str
) -> None:
    """It could not succeed, and would destroy the key that the other one is about to get."""
    key = BackupKey.generate()
    elsewhere = Vault.connect(
        shared_vault.address,
        access_token=shared_vault.folder.access_token(account),
        ca_certificates=shared_vault.folder.certificate,
        pending=InMemory(),
    )
    with shared_vault.connect(account) as tired, elsewhere as other:
        tired.protect(key, PASSWORD, attempt_limit=3)
        for _ in range(2):
            with pytest.raises(WrongPassword):
                tired.recover("wrong")
        network = Losing(tired, "FinishRecovery")
        with pytest.raises(VaultUnreachable):
            tired.recover(PASSWORD)  # proven, as it happens; let it be charged once more
        network.names.clear()
        with pytest.raises(WrongPassword):
            other.recover("wrong")
        with pytest.raises(WrongPassword):
            other.recover("wrong")
        network.names.add("StartRecovery")
        with pytest.raises(VaultUnreachable):
            tired.recover(PASSWORD)
        with pytest.raises(LastAttemptUnderWay):
            other.recover(PASSWORD)
        network.names.clear()
        assert tired.recover(PASSWORD) == key


def test_a_registration_whose_answer_is_lost_is_found_by_its_key_id(
    shared_vault: VaultProcess, account: str
) -> None:
    key, told = BackupKey.generate(), list[bytes]()
    with shared_vault.connect(account) as vault:
        Losing(vault, "FinishRegistration")
        registered = vault.protect(key, PASSWORD, before_commit=told.append)
        assert told == [registered.key_id]
        assert vault.recover(PASSWORD) == key
        assert vault.is_proven


@pytest.mark.parametrize("renewals", [1, 0])
def test_an_access_token_that_expires_after_the_answer_was_lost_says_nothing_of_the_key(
    shared_vault: VaultProcess, account: str, renewals: int
) -> None:
    """The vault has the key; only the repetition of the request is refused."""
    good, expired = (
        shared_vault.folder.access_token(account, lifetime_s=seconds) for seconds in (600, -600)
    )
    tokens, key, told = [good], BackupKey.generate(), list[bytes]()
    with Vault.connect(
        shared_vault.address,
        access_token=lambda: tokens[0] if len(tokens) == 1 else tokens.pop(0),
        ca_certificates=shared_vault.folder.certificate,
    ) as vault:
        assert vault.status() is None  # it has a connection now
        stub: Any = vault._transport._stub
        finish = stub.FinishRegistration

        def lose_the_first(*arguments: Any, **options: Any) -> Any:
            stub.FinishRegistration = finish
            finish(*arguments, **options)
            tokens[:] = [expired] + [good] * renewals
            raise Lost

        stub.FinishRegistration = lose_the_first
        if renewals:
            assert vault.protect(key, PASSWORD, before_commit=told.append).key_id == told[0]
        else:
            with pytest.raises(ProtectionUncertain) as uncertain:
                vault.protect(key, PASSWORD, before_commit=told.append)
            assert [uncertain.value.key_id] == told
            tokens[:] = [good]
        assert vault.recover(PASSWORD) == key


def test_a_registration_of_which_nobody_can_say_whether_it_happened(
    shared_vault: VaultProcess, account: str
) -> None:
    key, told = BackupKey.generate(), list[bytes]()
    with shared_vault.connect(account) as vault:
        network = Losing(vault, "FinishRegistration", "GetKey")
        with pytest.raises(ProtectionUncertain) as uncertain:
            vault.protect(key, PASSWORD, before_commit=told.append)
        assert [uncertain.value.key_id] == told
        assert isinstance(uncertain.value, VaultUnreachable)
        assert not vault.is_proven
        network.names.clear()
        found = vault.status()
        assert isinstance(found, ActiveKey)
        assert [found.key_id] == told
        vault.rehearse(PASSWORD, key)


def test_a_registration_that_did_not_happen_leaves_the_old_key(
    shared_vault: VaultProcess, account: str
) -> None:
    old = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(old, PASSWORD)
        network = Losing(vault)
        network.before.add("FinishRegistration")
        with pytest.raises(ProtectionUncertain):
            vault.protect(BackupKey.generate(), "another password")
        network.before.clear()
        assert vault.recover(PASSWORD) == old


def test_what_cannot_be_kept_before_the_commit_changes_nothing(
    shared_vault: VaultProcess, account: str
) -> None:
    def disk_full(_key_id: bytes) -> None:
        raise OSError(28, "No space left on device")

    old = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(old, PASSWORD)
        with pytest.raises(OSError, match="No space"):
            vault.protect(BackupKey.generate(), "another password", before_commit=disk_full)
        assert vault.recover(PASSWORD) == old


def test_a_rehearsal_that_the_network_cuts_off_is_no_refutation(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        network = Losing(vault, "StartRecovery")
        with pytest.raises(RehearsalUnfinished) as cut_off:
            vault.protect(key, PASSWORD)
        assert isinstance(cut_off.value.reason, VaultUnreachable)
        assert "rehearse" in cut_off.value.hint
        assert not vault.is_proven
        network.names.clear()
        vault.rehearse(PASSWORD, key)
        assert vault.is_proven
        assert attempts_left(vault) == 10


def test_an_account_that_is_not_the_tokens_is_refused_before_any_call(
    shared_vault: VaultProcess,
) -> None:
    carol = shared_vault.folder.access_token("carol")
    for access_token in (carol, lambda: carol):
        with Vault.connect("localhost:1", access_token=access_token, account="bob") as vault:
            for call in (
                lambda: vault.protect(BackupKey.generate(), PASSWORD),
                lambda: vault.recover(PASSWORD),
                vault.status,
                vault.delete,
            ):
                with pytest.raises(AccountMismatch):
                    call()


def test_a_token_that_changes_its_account_on_the_way_is_refused(
    shared_vault: VaultProcess, account: str
) -> None:
    """Someone else signs in between two calls: nobody's record may be replaced by it."""
    mine, other = (shared_vault.folder.access_token(name) for name in (account, account[::-1]))
    tokens = [mine]
    with Vault.connect(
        shared_vault.address,
        access_token=lambda: tokens[-1],
        ca_certificates=shared_vault.folder.certificate,
    ) as vault:
        assert vault.account == account
        with pytest.raises(AccountMismatch):
            vault.protect(
                BackupKey.generate(), PASSWORD, before_commit=lambda _: tokens.append(other)
            )
        tokens.append(mine)
        assert vault.status() is None
    with shared_vault.connect(account[::-1]) as vault:
        assert vault.status() is None


async def test_many_recoveries_at_once_leave_the_loop_alive(
    shared_vault: VaultProcess, account: str
) -> None:
    """An application that logs people in. With OpenSSL's Argon2 the second one hangs for ever."""
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD)

    def connect() -> AsyncVault:
        return AsyncVault.connect(
            shared_vault.address,
            access_token=shared_vault.folder.access_token(account),
            ca_certificates=shared_vault.folder.certificate,
        )

    async def beat(gaps: list[float]) -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - began)

    gaps: list[float] = []
    heart = asyncio.create_task(beat(gaps))
    async with connect() as one, connect() as two:
        recoveries = [one.recover(PASSWORD), one.recover(PASSWORD), two.recover(PASSWORD)]
        assert list(await asyncio.gather(*recoveries)) == [key] * 3
        stranger = asyncio.to_thread(time.sleep, 0)
        many = asyncio.gather(*(one.recover(PASSWORD) for _ in range(8)))
        await asyncio.wait_for(stranger, 5)  # the application's own threads are free
        assert list(await many) == [key] * 8
        assert isinstance(await one.status(), ActiveKey)
    heart.cancel()
    assert max(gaps) < 2


async def test_more_recoveries_at_once_than_attempts_are_left(
    shared_vault: VaultProcess, account: str
) -> None:
    """Twelve tabs of one person, each with a connection of its own: one attempt, not twelve."""
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD, attempt_limit=3)
    tabs = [
        AsyncVault.connect(
            shared_vault.address,
            access_token=shared_vault.folder.access_token(account),
            ca_certificates=shared_vault.folder.certificate,
        )
        for _ in range(12)
    ]
    recovered = await asyncio.gather(*(tab.recover(PASSWORD) for tab in tabs))
    assert list(recovered) == [key] * 12
    for tab in tabs:
        await tab.close()
    with shared_vault.connect(account) as vault:
        assert attempts_left(vault) == 3


def test_a_connection_for_each_try_goes_on_with_the_same_attempt(
    shared_vault: VaultProcess, account: str
) -> None:
    """As a web application has it, where a request knows nothing of the one before."""
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD, attempt_limit=3)
    for _ in range(5):
        with shared_vault.connect(account) as vault:
            Losing(vault, "StartRecovery")
            with pytest.raises(VaultUnreachable):
                vault.recover(PASSWORD)
    with shared_vault.connect(account) as vault:
        assert attempts_left(vault) == 2
        assert vault.recover(PASSWORD) == key


async def test_a_recovery_that_its_caller_gives_up_is_gone_on_with(
    shared_vault: VaultProcess, account: str
) -> None:
    key = BackupKey.generate()
    with shared_vault.connect(account) as vault:
        vault.protect(key, PASSWORD, attempt_limit=3)
        async with AsyncVault.connect(
            shared_vault.address,
            access_token=shared_vault.folder.access_token(account),
            ca_certificates=shared_vault.folder.certificate,
        ) as impatient:
            await impatient.info()
            for _ in range(4):
                recovering = asyncio.create_task(impatient.recover(PASSWORD))
                while attempts_left(vault) == 3:
                    await asyncio.sleep(0.01)
                recovering.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await recovering
            assert attempts_left(vault) == 2
            assert await impatient.recover(PASSWORD) == key


def test_a_destroyed_key_is_said_before_anything_is_stretched(
    shared_vault: VaultProcess, account: str
) -> None:
    with shared_vault.connect(account) as vault:
        vault.protect(BackupKey.generate(), PASSWORD, attempt_limit=3)
        for _ in range(3):
            with pytest.raises((WrongPassword, KeyDestroyed)):
                vault.recover("wrong")
        network = Losing(vault)
        network.before.add("StartRecovery")
        with pytest.raises(KeyDestroyed):
            vault.recover(PASSWORD)
