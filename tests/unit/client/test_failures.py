"""What the client finds wrong: the errors that say more than one message."""

from __future__ import annotations

import pytest

from strongroom import (
    AttemptLimitRefused,
    NotEnoughMemory,
    ProtectionUncertain,
    RehearsalUnfinished,
    StrongroomError,
    UnreachableCause,
    VaultBusy,
    VaultUnreachable,
)


def test_an_uncertain_registration_tells_why_there_was_no_answer() -> None:
    unanswered = VaultUnreachable()
    unanswered.cause, unanswered.address = UnreachableCause.PROXY, "vault.example:7443"
    unanswered.proxy = "proxy.example:80 (https_proxy)"
    error = ProtectionUncertain(b"k" * 16, unanswered)
    assert error.key_id == b"k" * 16
    assert (error.cause, error.address, error.proxy) == (
        UnreachableCause.PROXY,
        "vault.example:7443",
        "proxy.example:80 (https_proxy)",
    )
    assert ProtectionUncertain(b"k" * 16, VaultBusy()).cause is UnreachableCause.NO_ANSWER


@pytest.mark.parametrize(
    ("is_paid_for", "words"), [(False, "No attempt was used."), (True, "within two minutes")]
)
def test_too_little_memory_tells_whether_an_attempt_was_used(
    words: str, *, is_paid_for: bool
) -> None:
    error = NotEnoughMemory(65537, is_paid_for=is_paid_for)
    assert "65 MiB" in str(error)
    assert words in str(error)
    assert (error.memory_kib, error.is_paid_for) == (65537, is_paid_for)


def test_an_attempt_limit_is_told_with_the_bounds_however_long_it_is() -> None:
    assert str(AttemptLimitRefused(2, 3, 10)) == (
        "This vault allows an attempt limit of 3 to 10, and not 2."
    )
    assert "3 to 10" in str(AttemptLimitRefused(10**5000, 3, 10))  # Python refuses to write it


def test_an_unfinished_rehearsal_tells_what_came_between() -> None:
    reason = VaultBusy()
    error = RehearsalUnfinished(b"k" * 16, reason)
    assert error.reason is reason
    assert str(error).endswith(str(reason))


def test_what_is_no_answer_of_a_vault_never_reads_as_one() -> None:
    """An application that catches VaultUnreachable keeps the key in both cases."""
    assert issubclass(ProtectionUncertain, VaultUnreachable)
    assert not issubclass(RehearsalUnfinished, VaultUnreachable)
    assert issubclass(VaultUnreachable, StrongroomError)
