"""How weak a password is."""

from __future__ import annotations

import time

import pytest

from strongroom.cli.password_strength import strength


@pytest.mark.parametrize("password", ["", "a", "password1", "hunter2", "qwertyuiop", "alice1990"])
def test_what_anybody_would_guess_is_not_good(password: str) -> None:
    assert not strength(password).is_good


@pytest.mark.parametrize(
    "password", ["seven brown foxes under one roof", "correct horse battery staple", "kV3#w9!pLq2z"]
)
def test_what_nobody_would_guess_is_good(password: str) -> None:
    assert strength(password).is_good


def test_it_says_why_where_it_knows() -> None:
    assert strength("password").warning
    assert strength("").warning == ""


def test_a_long_one_takes_no_longer() -> None:
    began = time.process_time()
    assert strength("seven brown foxes " * 50).is_good
    assert time.process_time() - began < 5
