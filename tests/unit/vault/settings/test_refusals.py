"""The words in which a setting is refused. `test_loading.py` has what a whole file is told."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from strongroom_vault.settings import refusals

KNOWN = {"token": ("label", "pin_file"), "store": ("path",), "listen": ("address",)}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", "empty"),
        ("text", '"text"'),
        ("x" * 61, f'"{"x" * 60}..."'),
        ("\x1b[2J", '"\\u001b[2J"'),
        ("https://me:secret@host/", '"https://...@host/"'),
        (True, "true"),
        (7, "7"),
        (10**60, "a number of more than 60 digits"),
        (1.5, "1.5"),
        ([1, 2], "[1, 2]"),
        ({"a": 1}, "a table"),
    ],
)
def test_a_value_is_shown_in_one_line(value: object, shown: str) -> None:
    assert refusals.given(value) == shown


@pytest.mark.parametrize("name", ["pin_file", "key_file"])
def test_what_may_be_a_secret_is_not_shown(name: str) -> None:
    said = refusals.wrong_value("token", name, bool, "my secret PIN")
    assert said.endswith("must be true or false, not text")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "true or false"),
        (str | None, "text"),
        (Literal["wrapped", "token"], '"token" or "wrapped"'),
        (Annotated[int, msgspec.Meta(ge=1, le=9)], "a whole number from 1 to 9"),
        (Annotated[float, msgspec.Meta(ge=0.5, le=9)], "a number from 0.5 to 9"),
        (
            tuple[Annotated[int, msgspec.Meta(ge=1, le=9)], ...],
            "a list, each item a whole number from 1 to 9",
        ),
        (dict[str, str], 'a table of text, such as { SOFTHSM2_CONF = "/path" }'),
    ],
)
def test_what_a_setting_may_be(kind: object, words: str) -> None:
    assert refusals.allowed(kind) == words


def test_a_value_that_needs_no_quotes_is_told_so() -> None:
    assert refusals.wrong_value("vault", "attempt_limit", int, "10").endswith(
        'not "10": write it without quotes'
    )
    assert refusals.wrong_value("vault", "attempt_limit", int, "ten").endswith('not "ten"')


def test_a_name_that_is_near_another() -> None:
    assert refusals.unknown("token", "lable", KNOWN).endswith("did you mean label?")
    assert refusals.unknown("token", "address", KNOWN).endswith("it belongs to [listen]")
    assert refusals.unknown("token", "zzz", KNOWN).endswith("it has label, pin_file")
    assert refusals.unknown_table("stroe", {}, KNOWN).endswith("did you mean [store]?")
    assert refusals.unknown_table("zzz", {}, KNOWN).endswith("[token], [store], [listen]")
    assert refusals.unknown_table("path", "x", KNOWN).endswith("it belongs to [store]")


def test_a_variable_that_is_near_another() -> None:
    def said(name: str) -> str:
        return refusals.unknown_variable(f"STRONGROOM_VAULT_{name}", KNOWN)

    assert said("TOKEN_LABLE").endswith("did you mean STRONGROOM_VAULT_TOKEN_LABEL?")
    assert said("TOKEN_ZZZ").endswith("[token] has label, pin_file")
    assert said("ZZZ").endswith("STRONGROOM_VAULT_STORE_, STRONGROOM_VAULT_LISTEN_")
