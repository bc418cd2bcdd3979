"""One secret for each use: a record's name, and seals that open nothing of another use."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from strongroom_protocol import labels
from strongroom_vault.records.sealing import InvalidSeal
from strongroom_vault.service.derived_keys import Keys

SECRETS = {label: hashlib.sha256(label.encode()).digest() for label in labels.DERIVED_KEYS}


def test_a_record_is_named_by_a_pseudonym_of_its_account() -> None:
    secret = SECRETS[labels.ACCOUNT_PSEUDONYM]
    expected = hmac.new(secret, "zoë".encode(), hashlib.sha256).digest()
    assert Keys(SECRETS).record_id("zoë") == expected
    assert Keys(SECRETS).record_id("zoe") != expected


def test_a_state_of_one_use_is_not_opened_for_the_other() -> None:
    keys = Keys(SECRETS)
    for mine, other in (
        (keys.registration_states, keys.recovery_states),
        (keys.recovery_states, keys.registration_states),
    ):
        sealed = mine.seal(b"state", b"alice")
        assert mine.open(sealed, b"alice") == b"state"
        with pytest.raises(InvalidSeal):
            other.open(sealed, b"alice")


def test_the_ledger_has_the_secrets_of_records_and_of_heads() -> None:
    ledger = Keys(SECRETS).ledger
    assert ledger.record_sealing == SECRETS[labels.RECORD_SEALING]
    assert ledger.head == SECRETS[labels.HEAD]
