"""Registration: what is refused before anything is sent, and what a lost answer means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lying_vault import KEY, KEY_ID, PASSWORD, LyingVault, drive

from strongroom import (
    AttemptLimitRefused,
    ProtectionUncertain,
    RehearsalUnfinished,
    StrongroomError,
    VaultClosed,
    VaultUnreachable,
    registration,
)
from strongroom.requests import FinishRecovery, FinishRegistration, StartRegistration


@pytest.mark.parametrize("limit", [0, 1, 2, 11, -1, 2**32, 10**5000], ids=range(7))
def test_an_attempt_limit_out_of_bounds_is_refused_before_the_first_message(limit: int) -> None:
    vault = LyingVault()
    with pytest.raises(AttemptLimitRefused) as error:
        drive(registration.protect(vault.party, PASSWORD, KEY, limit), vault)
    assert (error.value.minimum, error.value.maximum) == (3, 10)
    assert error.value.attempt_limit == limit
    assert "3 to 10" in str(error.value)
    assert vault.asked == []


@pytest.mark.parametrize("limit", ["5", 5.0, True, b"5"])
def test_an_attempt_limit_is_an_int(limit: Any) -> None:
    vault = LyingVault()
    with pytest.raises(TypeError):
        drive(registration.protect(vault.party, PASSWORD, KEY, limit), vault)
    assert vault.asked == []


def test_a_registration_that_was_closed_on_the_way_may_have_had_its_effect() -> None:
    vault = LyingVault()

    def closed(_: object) -> StrongroomError:
        error = VaultClosed()
        error.follows_lost_answer = True
        raise error

    vault.stands_in.update(FinishRegistration=closed, GetKey=closed)
    with pytest.raises(ProtectionUncertain):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)


def test_before_commit_can_still_end_it_with_nothing_changed() -> None:
    """It comes before the message that takes effect, and after everything that can fail freely."""
    vault, told = LyingVault(), list[bytes]()

    def before_commit(key_id: bytes) -> None:
        told.append(key_id)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk"):
        drive(registration.protect(vault.party, PASSWORD, KEY, None, before_commit), vault)
    assert told == [KEY_ID]
    assert [type(request) for request in vault.asked] == [StartRegistration]
    assert vault.record is None


def test_a_lost_answer_of_a_registration_that_took_effect_is_found_out() -> None:
    """The vault names the new key as the valid one: so it was registered, and is rehearsed."""
    vault = LyingVault()

    def lost(request: FinishRegistration) -> Any:
        vault.FinishRegistration(request)
        raise VaultUnreachable

    vault.stands_in["FinishRegistration"] = lost
    registered = drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert registered.key_id == KEY_ID
    assert isinstance(vault.asked[-1], FinishRecovery)


def test_a_lost_answer_while_another_key_is_valid_is_uncertain() -> None:
    """The registration may be on its way still, so nobody can say that it failed."""
    vault = LyingVault(GetKey=lambda key: replace(key, key_id=b"o" * 16))

    def lost(_: object) -> Any:
        raise VaultUnreachable

    vault.stands_in["FinishRegistration"] = lost
    with pytest.raises(ProtectionUncertain) as error:
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert error.value.key_id == KEY_ID


def test_a_rehearsal_that_is_cut_off_says_nothing_of_the_password() -> None:
    vault = LyingVault()

    def lost(_: object) -> Any:
        raise VaultUnreachable

    vault.stands_in["StartRecovery"] = lost
    with pytest.raises(RehearsalUnfinished) as error:
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    assert error.value.key_id == KEY_ID
    assert isinstance(error.value.reason, VaultUnreachable)
