"""What the vault answers instead of an answer, in words for a person."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from strongroom import (
    AccessTokenInvalid,
    KeyDestroyed,
    MustWait,
    NotAnAccessToken,
    ScopeMissing,
    WrongPassword,
)


def test_the_last_attempt_is_told_as_the_last() -> None:
    assert str(WrongPassword(2)) == "Wrong password. 2 attempts are left."
    assert "the next wrong password destroys the key" in str(WrongPassword(1))
    assert WrongPassword(1).attempts_left == 1


def test_a_destroyed_key_tells_when_and_why() -> None:
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert str(KeyDestroyed(at, "attempt_limit")) == (
        "The vault destroyed this key for good on 2026-01-02 at 03:04 UTC,"
        " after too many wrong passwords."
    )
    assert str(KeyDestroyed(None, "other")) == (
        "The vault destroyed this key for good, for this cause: other."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 second"),
        (1.6, "2 seconds"),
        (99.4, "99 seconds"),
        (100, "2 minutes"),
        (3600, "60 minutes"),
    ],
)
def test_how_long_to_wait(seconds: float, words: str) -> None:
    error = MustWait(seconds)
    assert str(error) == f"The next attempt must wait {words}."
    assert error.retry_after == seconds


def test_what_cannot_be_a_token_is_an_invalid_one_with_its_reason() -> None:
    error = NotAnAccessToken("it is empty")
    assert isinstance(error, AccessTokenInvalid)
    assert str(error) == "This is not an access token: it is empty."
    assert str(NotAnAccessToken("it is empty", "token.txt: no token")).startswith("token.txt")
    assert error.reason == "it is empty"


def test_a_missing_scope_is_named() -> None:
    assert "'key:recover'" in str(ScopeMissing("key:recover"))
    assert ScopeMissing("key:recover").scope == "key:recover"


@pytest.mark.parametrize(
    "check", ["form", "key", "signature", "aud", "iss", "sub", "time", "scope"]
)
def test_an_invalid_token_says_what_is_wrong_with_it(check: str) -> None:
    error = AccessTokenInvalid(check)
    assert error.check == check
    assert str(error).startswith("The vault does not accept the access token: ")
    assert error.hint.endswith(".")
    assert error.hint != AccessTokenInvalid.hint


@pytest.mark.parametrize("check", ["", "unknown", "\x1b[31m"])
def test_of_an_unknown_check_nothing_is_told(check: str) -> None:
    error = AccessTokenInvalid(check)
    assert (str(error), error.hint, error.check) == (
        AccessTokenInvalid.message,
        AccessTokenInvalid.hint,
        "",
    )
