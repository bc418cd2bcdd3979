"""Answers may be printed, in a log or a traceback, without what they keep secret."""

from __future__ import annotations

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.records.record import Destroyed
from strongroom_vault.service.answers import DestroyedKey, RecoveryStarted, RegistrationStarted

STRETCHING = Argon2id(65536, 3, 4)


def test_states_and_ke2_are_not_printed() -> None:
    registration = RegistrationStarted(b"response", b"key id", b"secret state", STRETCHING)
    recovery = RecoveryStarted(b"secret ke2", b"key id", b"secret state", 9, STRETCHING)
    for answer in (registration, recovery):
        assert "key id" in repr(answer)
        assert "secret" not in repr(answer)


def test_a_destroyed_key_is_what_its_record_says() -> None:
    assert DestroyedKey is Destroyed
