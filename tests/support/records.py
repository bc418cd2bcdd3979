"""Records for tests: an active key with whatever a case needs."""

from __future__ import annotations

from dataclasses import replace

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_vault.errors import Cause
from strongroom_vault.records.record import (
    Active,
    Deleted,
    Destroyed,
    LastAttempt,
    Record,
    StoredOprfKey,
)

LIMIT = 10
KEY_ID = b"k" * 16
ELEMENT = b"\x02" + b"e" * 32
OTHER_ELEMENT = b"\x03" + b"f" * 32
NOW = 1_800_000_000_000

KEY = Active(
    key_id=KEY_ID,
    created_at=NOW - 1000,
    attempt_limit=LIMIT,
    oprf_key=StoredOprfKey(b"\x02" + b"q" * 32, b"wrapped" * 10),
    registration_record=b"r" * 129,
    sealed_backup_key=b"s" * 60,
    stretching=Argon2id(65536, 3, 4),
)
DESTROYED = Destroyed(NOW - 500, Cause.ATTEMPT_LIMIT)
DELETED = Deleted(NOW - 500)


def active(used: int = 0, *, cleared: int = 0, generation: int = 1, **changes: object) -> Record:
    """A record with an active key and so many attempts used, the last one with ELEMENT."""
    key = replace(KEY, **changes)  # type: ignore[arg-type]  # names are checked by replace
    if used and "last_attempt" not in changes:
        key = replace(key, last_attempt=LastAttempt(ELEMENT, is_final=False))
        if "last_started_at" not in changes:
            key = replace(key, last_started_at=NOW)
    return Record(cleared + used, cleared, generation, key)


def with_last(record: Record, last_attempt: LastAttempt | None) -> Record:
    """The same record, remembering another last attempt."""
    assert isinstance(record.state, Active)
    return replace(record, state=replace(record.state, last_attempt=last_attempt))
