"""`AsyncVault` over gRPC and TLS, against the vault in memory."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from lying_vault import KEY_ID, PASSWORD
from served_vault import ServedVault

from strongroom import ActiveKey, AnotherKey, AsyncVault, BackupKey, KeyExists, Vault, WrongVault
from strongroom.identity import encode_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedVault]:
    with ServedVault(tmp_path) as vault:
        yield vault


def connect(served: ServedVault, **options: Any) -> AsyncVault:
    options = {"access_token": "e30.e30.c2ln", "account": "alice", **options}
    return AsyncVault.connect(served.address, ca_certificates=served.certificate, **options)


async def test_a_key_is_protected_and_comes_back_while_the_loop_is_free(
    served: ServedVault,
) -> None:
    key, beats = BackupKey.generate(), 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.001)
            beats += 1

    async with connect(served) as vault:
        beating = asyncio.create_task(beat())
        await vault.protect(key, PASSWORD)
        beating.cancel()
        assert beats > 10
        assert vault.is_proven
        assert await vault.recover(PASSWORD) == key
        assert await vault.identity() == encode_identity(served.vault.info.identity_public_key)
        with pytest.raises(AnotherKey):
            await vault.rehearse(PASSWORD, BackupKey.generate())


async def test_recoveries_in_one_object_come_one_after_the_other(served: ServedVault) -> None:
    """The vault remembers one attempt: a second one in between would end the first."""
    async with connect(served) as vault:
        await vault.protect(BackupKey.generate(), PASSWORD)
        served.calls.clear()
        await asyncio.gather(vault.recover(PASSWORD), vault.recover(PASSWORD))
    asked = [name for name in served.names() if name.endswith("Recovery")]
    assert asked == ["StartRecovery", "FinishRecovery"] * 2


async def test_another_vault_than_the_pinned_one_is_asked_nothing_else(
    served: ServedVault,
) -> None:
    other = encode_identity(served.vault.oprf_key.generate().public_key.encode())
    async with connect(served, identity=other) as vault:
        with pytest.raises(WrongVault):
            await vault.recover(PASSWORD)
    assert served.names() == ["GetVault"]


async def test_an_expired_token_is_renewed_and_a_busy_vault_asked_again(
    served: ServedVault,
) -> None:
    tokens = iter(["old", "new", "newer", "newest"])

    async def token() -> str:
        return f"e30.e30.{next(tokens, 'last')}"

    served.refusals["GetKey"] = ["ACCESS_TOKEN_EXPIRED", "OVERLOADED", grpc.StatusCode.UNAVAILABLE]
    async with connect(served, access_token=token) as vault:
        found = await vault.status()
        assert isinstance(found, ActiveKey)
        assert found.key_id == KEY_ID
        await vault.delete()
    asked = [(message, access) for name, message, access in served.calls if name == "GetKey"]
    assert len({message for message, _ in asked}) == 1
    assert len({access for _, access in asked}) == 4
    assert served.names()[-1] == "DeleteKey"


def test_it_has_the_names_of_vault_with_the_same_arguments_and_every_method_is_awaited() -> None:
    names = {name for name in dir(Vault) if not name.startswith("_")}
    assert names == {name for name in dir(AsyncVault) if not name.startswith("_")}
    for name in names - {"connect"}:
        blocking, awaited = vars(Vault).get(name), vars(AsyncVault).get(name)
        assert isinstance(blocking, property) == isinstance(awaited, property), name
        assert (blocking is None) == (awaited is None), name
        if blocking is not None and not isinstance(blocking, property):
            assert inspect.iscoroutinefunction(awaited), name
            assert inspect.signature(blocking) == inspect.signature(awaited), name


async def test_a_key_that_is_not_to_be_replaced_stays(served: ServedVault) -> None:
    async with connect(served) as vault:
        with pytest.raises(KeyExists):
            await vault.protect(BackupKey.generate(), PASSWORD, replace=False)
    assert served.names() == ["GetVault", "GetKey"]
