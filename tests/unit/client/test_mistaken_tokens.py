"""What is given in place of an access token; `test_access_tokens.py` has the cases."""

from __future__ import annotations

import pytest

from strongroom.mistaken_tokens import seems_to_be, why_not_a_jwt


@pytest.mark.parametrize("token", ["e30.e30.c2ln", "eyJhbGciOiJFUzI1NiJ9.key.pem"])
def test_what_can_be_a_jwt_seems_to_be_nothing_else(token: str) -> None:
    assert why_not_a_jwt(token) == ""
    assert seems_to_be(token) == ""


def test_what_looks_like_nothing_known_is_still_no_jwt() -> None:
    assert seems_to_be("abc") == ""
    assert "three parts" in why_not_a_jwt("abc")


def test_a_secret_is_never_told() -> None:
    for text in ("/run/secrets/s3cret", "s3cret.s3cret", "s3cret.s3cret.s3cret", "{s3cret"):
        assert "s3cret" not in seems_to_be(text) + why_not_a_jwt(text)


@pytest.mark.parametrize("text", ["/" * 100_000, "a" * 100_000, "." * 100_000, "~" + "\n" * 50_000])
def test_long_text_is_looked_at_in_time(text: str) -> None:
    assert why_not_a_jwt(text)
    seems_to_be(text)
