"""Recovery: an attempt is the same bytes until it is decided, and is forgotten only then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lying_vault import KEY, NOW, PASSWORD, LyingVault, drive, protected

from strongroom import (
    DestroyedKey,
    KeyDestroyed,
    LastAttemptUnderWay,
    NoKey,
    ScopeMissing,
    VaultUnreachable,
    WrongPassword,
    recovery,
)
from strongroom.attempts import InMemory
from strongroom.requests import FinishRecovery, GetKey, StartRecovery

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom import StrongroomError

SEED = bytes(range(32))


def raises(error: StrongroomError) -> Callable[[Any], Any]:
    """A vault that refuses so."""

    def refuse(_: object) -> Any:
        raise error

    return refuse


def recover(vault: LyingVault, kept: InMemory, password: str = PASSWORD) -> Any:
    return drive(recovery.recover(replace(vault.party, pending=kept), password), vault)


def started(vault: LyingVault) -> list[StartRecovery]:
    return [request for request in vault.asked if isinstance(request, StartRecovery)]


def test_after_a_lost_answer_the_same_attempt_goes_on_and_success_forgets_it() -> None:
    vault, kept = protected(), InMemory()
    vault.stands_in["FinishRecovery"] = raises(VaultUnreachable())
    with pytest.raises(VaultUnreachable):
        recover(vault, kept)
    assert kept.load() is not None
    vault.stands_in.clear()
    assert recover(vault, kept) == KEY
    first, second = started(vault)
    assert first == second
    assert kept.load() is None


def test_a_wrong_password_is_reported_and_forgets_the_attempt() -> None:
    vault, kept = protected(), InMemory()
    with pytest.raises(WrongPassword):
        recover(vault, kept, "wrong")
    assert vault.asked[-1] == FinishRecovery(b"state", bytes(32))
    assert kept.load() is None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(None, NoKey), (DestroyedKey(NOW, "attempt_limit"), KeyDestroyed)],
)
def test_without_a_key_no_attempt_begins(answer: Any, kind: type[StrongroomError]) -> None:
    vault, kept = LyingVault(GetKey=lambda _: answer), InMemory()
    kept.save(SEED)
    with pytest.raises(kind):
        recover(vault, kept)
    assert vault.asked == [GetKey()]
    assert kept.load() is None


def test_no_new_attempt_beside_the_last_one() -> None:
    vault, kept = LyingVault(GetKey=lambda found: replace(found, attempts_left=0)), InMemory()
    with pytest.raises(LastAttemptUnderWay):
        recover(vault, kept)
    assert vault.asked == [GetKey()]
    assert kept.load() is None


def test_the_seed_is_kept_before_the_attempt_is_sent() -> None:
    """What is charged before it can be repeated would cost another attempt."""
    vault, kept = LyingVault(), InMemory()

    def look(_: object) -> Any:
        assert kept.load() is not None
        raise VaultUnreachable

    vault.stands_in["StartRecovery"] = look
    with pytest.raises(VaultUnreachable):
        recover(vault, kept)
    assert len(started(vault)) == 1


def test_a_token_that_may_not_ask_can_still_recover() -> None:
    vault = LyingVault()
    vault.stands_in["GetKey"] = raises(ScopeMissing("key:read"))
    vault.stands_in["StartRecovery"] = raises(VaultUnreachable())
    with pytest.raises(VaultUnreachable):
        recover(vault, InMemory())
    assert len(started(vault)) == 1
