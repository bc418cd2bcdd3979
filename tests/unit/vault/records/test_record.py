"""What a record says of itself: its defaults, what is used, where its key rests, what it shows."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest
from records import KEY, active

from strongroom_vault.records.record import Absent, LastAttempt, Record, StoredOprfKey


def test_a_new_record_is_of_an_account_without_a_key() -> None:
    assert Record() == Record(charged=0, cleared=0, generation=0, state=Absent(), loss_epoch=0)
    assert Record().used == 0


@pytest.mark.parametrize(("charged", "cleared", "used"), [(7, 2, 5), (7, 7, 0), (7, 0, 7)])
def test_used_is_what_no_success_has_cleared(charged: int, cleared: int, used: int) -> None:
    assert Record(charged, cleared).used == used


@pytest.mark.parametrize(
    ("wrapped", "is_resident"), [(None, True), (b"wrapped", False), (b"", False)]
)
def test_a_key_without_a_wrapped_form_rests_in_the_token(
    wrapped: bytes | None,
    is_resident: bool,  # noqa: FBT001 -- a value of the table
) -> None:
    assert StoredOprfKey(b"\x02" * 33, wrapped).is_resident is is_resident


def test_a_new_key_was_never_tried() -> None:
    assert KEY.last_started_at == 0
    assert KEY.last_attempt is None


def test_a_record_changes_by_a_copy_alone() -> None:
    record = active(3)
    with pytest.raises(FrozenInstanceError):
        record.charged = 0  # type: ignore[misc]  # what is tested
    assert replace(record, charged=4).used == 4
    assert record == active(3)


def test_a_record_shows_no_secret() -> None:
    """It may stand in a log or a traceback: neither the sealed parts nor the wrapped key do."""
    key = replace(
        KEY,
        oprf_key=StoredOprfKey(b"public-key", b"wrapped-key", 7),
        registration_record=b"envelope",
        sealed_backup_key=b"sealed-key",
        last_attempt=LastAttempt(b"blinded", is_final=True),
    )
    shown = repr(Record(1, 0, 1, key))
    assert "public-key" in shown
    for secret in ("wrapped-key", "envelope", "sealed-key"):
        assert secret not in shown
