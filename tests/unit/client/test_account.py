"""The account of an access token, and tokens that name none."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest

from strongroom import AccountUnknown
from strongroom.account import account_of


def token(payload: bytes) -> str:
    return f"header.{urlsafe_b64encode(payload).decode().rstrip('=')}.signature"


def test_the_sub_is_the_account() -> None:
    assert account_of(token(b'{"sub": "alice"}')) == "alice"


@pytest.mark.parametrize(
    "access_token",
    [
        "",
        "a.b",
        "a.!.c",
        token(b""),
        token(b"\xff"),
        token(b"[]"),
        token(b"{}"),
        token(b'{"sub": 5}'),
        token(b'{"sub": ""}'),
        token(b'{"sub": "\\ud800"}'),
        token(b'{"sub": "' + b"a" * 256 + b'"}'),
        token(b'{"sub": ' + b"9" * 5000 + b"}"),
        token(b"[" * 48_000),
    ],
    ids=range(13),
)
def test_a_token_that_names_no_account(access_token: str) -> None:
    with pytest.raises(AccountUnknown):
        account_of(access_token)
