"""A destroyed key is told as its record has it. Other answers: protocol/test_answers.py."""

from __future__ import annotations

from strongroom_vault.records.record import Destroyed
from strongroom_vault.service.answers import DestroyedKey


def test_a_destroyed_key_is_what_its_record_says() -> None:
    assert DestroyedKey is Destroyed
