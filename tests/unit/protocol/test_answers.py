"""Answers are values, and may be printed without what they keep secret."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from strongroom_protocol.answers import RecoveryStarted, RegistrationStarted, VaultParameters
from strongroom_protocol.opaque.ksf import Argon2id

STRETCHING = Argon2id(65536, 3, 4)


def test_states_and_ke2_are_not_printed() -> None:
    registration = RegistrationStarted(b"response", b"key id", b"secret state", STRETCHING)
    recovery = RecoveryStarted(b"secret ke2", b"key id", b"secret state", 9, STRETCHING)
    for answer in (registration, recovery):
        assert "key id" in repr(answer)
        assert "secret" not in repr(answer)


def test_parameters_are_values() -> None:
    parameters = VaultParameters("vault.test", b"k" * 33, STRETCHING, 10, 1, 20)
    assert parameters == VaultParameters("vault.test", b"k" * 33, STRETCHING, 10, 1, 20)
    assert parameters != VaultParameters("vault.test", b"k" * 33, STRETCHING, 10, 2, 20)
    with pytest.raises(FrozenInstanceError):
        parameters.attempt_limit = 1000  # type: ignore[misc]
