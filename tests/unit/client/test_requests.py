"""Requests and answers are values that may be printed, and attempt limits have bounds."""

from __future__ import annotations

import pytest

from strongroom.errors import AttemptLimitRefused
from strongroom.requests import (
    FinishRecovery,
    FinishRegistration,
    GetKey,
    StartRecovery,
    VaultInfo,
)
from strongroom_protocol.opaque.ksf import Argon2id

INFO = VaultInfo("vault.test", b"k" * 33, Argon2id(65536, 3, 4), 10, 3, 20)


@pytest.mark.parametrize("limit", [3, 10, 20])
def test_an_attempt_limit_within_the_vaults_bounds(limit: int) -> None:
    INFO.require_attempt_limit(limit)


@pytest.mark.parametrize("limit", [-1, 0, 2, 21, 10**9])
def test_an_attempt_limit_beyond_them_is_refused_with_both(limit: int) -> None:
    with pytest.raises(AttemptLimitRefused) as refused:
        INFO.require_attempt_limit(limit)
    assert "3" in str(refused.value)
    assert "20" in str(refused.value)


@pytest.mark.parametrize("limit", [True, 3.0, "3", None])
def test_an_attempt_limit_is_a_number(limit: object) -> None:
    with pytest.raises(TypeError, match="an attempt limit is an int or None"):
        INFO.require_attempt_limit(limit)  # type: ignore[arg-type]


def test_the_attributes_of_an_application_are_there() -> None:
    """Public names of `strongroom.VaultInfo`."""
    assert (INFO.vault_id, INFO.identity_public_key) == ("vault.test", b"k" * 33)
    assert INFO.stretching == Argon2id(65536, 3, 4)
    assert INFO.attempt_limit == 10
    assert (INFO.minimum_attempt_limit, INFO.maximum_attempt_limit) == (3, 20)
    assert repr(INFO).startswith("VaultInfo(vault_id='vault.test'")


def test_equal_requests_are_one() -> None:
    """What a client repeats is the same message."""
    assert StartRecovery(b"ke1") == StartRecovery(b"ke1") != StartRecovery(b"ke2")
    assert GetKey() == GetKey()


def test_what_a_guess_can_be_tested_with_is_not_printed() -> None:
    registration = FinishRegistration(b"state", b"secret record", b"secret sealed", 10)
    for request in (registration, FinishRecovery(b"secret state", b"secret ke3")):
        assert "secret" not in repr(request)
