"""Which characters show nothing, and what a character is called."""

from __future__ import annotations

import unicodedata

import pytest

from strongroom_protocol.invisible import INVISIBLE, described


@pytest.mark.parametrize(
    "character",
    ["\u00ad", "\u034f", "\u180e", "\u200b", "\u200e", "\u2060", "\ufe0f", "\ufeff", "\U000e0100"],
)
def test_what_shows_nothing(character: str) -> None:
    assert INVISIBLE.sub("", f"a{character}b") == "ab"


@pytest.mark.parametrize(
    "character", ["a", " ", "\u00a0", "\u0301", "\u200c", "\u200d", "\u2028", "\U000e0067", "😀"]
)
def test_what_shows_something_or_changes_what_is_shown(character: str) -> None:
    assert INVISIBLE.search(character) is None


def test_no_letter_digit_or_mark_of_ascii_and_latin_is_invisible() -> None:
    shown = "".join(
        chr(number) for number in range(0x250) if unicodedata.category(chr(number)) != "Cf"
    )
    assert INVISIBLE.sub("", shown) == shown


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("\u2028", "U+2028 LINE SEPARATOR"),
        ("\0", "U+0000 NULL"),
        ("\t", "U+0009 TAB"),
        ("\x7f", "U+007F a control character"),
        ("\ue000", "U+E000 for private use"),
        ("\ud800", "U+D800 half a character"),
        ("\U0001f600", "U+1F600 GRINNING FACE"),
        ("\ufdd0", "U+FDD0"),
    ],
)
def test_a_character_has_a_number_and_a_name(character: str, name: str) -> None:
    assert described(character) == name
