"""What errors say of themselves, to clients and to whatever started the process."""

from __future__ import annotations

import pytest

from strongroom_vault.errors import (
    Cause,
    HsmUnavailable,
    KeyDestroyed,
    KeyNotFound,
    Malformed,
    NoKey,
    NotServing,
    OperatorError,
    Refusal,
    ScopeMissing,
    WrongPassword,
    WrongPin,
)


@pytest.mark.parametrize(
    ("refusal", "message", "metadata"),
    [
        (ScopeMissing("read"), "the access token lacks the scope 'read'", {"scope": "read"}),
        (Malformed("ke1", "not 98 bytes"), "ke1: not 98 bytes", {"field": "ke1"}),
        (WrongPassword(3), "wrong password, 3 attempts left", {"attempts_left": "3"}),
        (
            KeyDestroyed(12, Cause.ATTEMPT_LIMIT),
            "the key was destroyed (attempt_limit)",
            {"destroyed_at": "12", "cause": "attempt_limit"},
        ),
        (NoKey("nothing here"), "nothing here", {}),
    ],
)
def test_a_refusal_says_what_is_refused(
    refusal: Refusal, message: str, metadata: dict[str, str]
) -> None:
    assert (str(refusal), refusal.metadata) == (message, metadata)


def test_a_key_that_is_not_found_is_an_unavailable_hsm_to_clients() -> None:
    refusal = KeyNotFound("the token does not find it", 2.0)
    assert isinstance(refusal, HsmUnavailable)
    assert (refusal.reason, refusal.retry_after) == ("HSM_UNAVAILABLE", 2.0)


def test_a_supervisor_can_tell_what_happened_by_the_exit_code() -> None:
    assert (OperatorError.exit_code, WrongPin.exit_code, NotServing.exit_code) == (1, 3, 4)


def test_a_hint_stands_beside_the_message() -> None:
    error = OperatorError("no token", "Connect it.")
    assert (str(error), error.hint) == ("no token", "Connect it.")
    assert OperatorError("no token").hint == ""
