"""`Vault` over gRPC and TLS, against the vault in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from lying_vault import KEY_ID, PASSWORD
from served_vault import ServedVault

from strongroom import ActiveKey, AnotherKey, BackupKey, KeyExists, Vault, WrongPassword, WrongVault
from strongroom.identity import encode_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedVault]:
    with ServedVault(tmp_path) as vault:
        yield vault


def connect(served: ServedVault, **options: Any) -> Vault:
    options = {"access_token": "e30.e30.c2ln", "account": "alice", **options}
    return Vault.connect(served.address, ca_certificates=served.certificate, **options)


def test_a_key_is_protected_and_comes_back(served: ServedVault) -> None:
    key, new_ids = BackupKey.generate(), list[bytes]()
    with connect(served) as vault:
        assert not vault.is_proven
        registered = vault.protect(key, PASSWORD, attempt_limit=10, before_commit=new_ids.append)
        assert vault.is_proven
        assert registered.key_id == KEY_ID
        assert new_ids == [KEY_ID]
        assert vault.identity() == encode_identity(served.vault.info.identity_public_key)
    with connect(served, identity=vault.identity()) as pinned:
        assert pinned.recover(PASSWORD) == key
        assert pinned.is_proven
        with pytest.raises(AnotherKey):
            pinned.rehearse(PASSWORD, BackupKey.generate())
        with pytest.raises(WrongPassword) as error:
            pinned.recover("wrong")
    assert error.value.attempts_left == 9


def test_another_vault_than_the_pinned_one_is_asked_nothing_else(served: ServedVault) -> None:
    other = encode_identity(served.vault.oprf_key.generate().public_key.encode())
    with connect(served, identity=other) as vault, pytest.raises(WrongVault):
        vault.recover(PASSWORD)
    assert served.names() == ["GetVault"]


def test_status_and_deletion(served: ServedVault) -> None:
    with connect(served) as vault:
        found = vault.status()
        assert isinstance(found, ActiveKey)
        assert (found.key_id, found.attempts_left) == (KEY_ID, 10)
        vault.delete()
    assert served.names() == ["GetVault", "GetKey", "DeleteKey"]
    assert [access_token for _, _, access_token in served.calls] == [
        "",
        *["Bearer e30.e30.c2ln"] * 2,
    ]


def test_an_expired_token_is_renewed_and_a_busy_vault_asked_again(served: ServedVault) -> None:
    tokens = iter(["old", "new", "newer", "newest"])
    served.refusals["GetKey"] = ["ACCESS_TOKEN_EXPIRED", "OVERLOADED", grpc.StatusCode.UNAVAILABLE]
    with connect(served, access_token=lambda: f"e30.e30.{next(tokens, 'last')}") as vault:
        assert isinstance(vault.status(), ActiveKey)
    asked = [(message, access) for name, message, access in served.calls if name == "GetKey"]
    assert len({message for message, _ in asked}) == 1
    assert len({access for _, access in asked}) == 4


def test_a_key_that_is_not_to_be_replaced_stays(served: ServedVault) -> None:
    with connect(served) as vault, pytest.raises(KeyExists) as error:
        vault.protect(BackupKey.generate(), PASSWORD, replace=False)
    assert error.value.key_id == KEY_ID
    assert served.names() == ["GetVault", "GetKey"]
