"""Who makes a call cannot be changed on its way, and a stranger is no account."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from strongroom_vault.api.caller import STRANGER, Caller


def test_a_caller_stays_who_they_are() -> None:
    caller: object = Caller("alice")
    with pytest.raises(FrozenInstanceError):
        caller.account = "bob"  # type: ignore[attr-defined]
    assert caller == Caller("alice")


def test_a_stranger_has_no_name_that_an_access_token_could_have() -> None:
    """`sub` has 1 to 255 bytes."""
    assert STRANGER.account == ""
