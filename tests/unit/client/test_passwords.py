"""How a password is prepared, the same under every Python, and what is said of one."""

from __future__ import annotations

import sys
import unicodedata

import precis_i18n
import pytest
from hypothesis import example, given
from hypothesis.strategies import characters, text

from strongroom.cli.password_strength import strength
from strongroom.errors import PasswordRefused
from strongroom.passwords import normalise
from strongroom_protocol.invisible import INVISIBLE

OPAQUE_STRING = precis_i18n.get_profile("OpaqueString")
ODD = characters() | characters(max_codepoint=0x3FF) | characters(categories=["Mn", "Cf", "Zs"])


@given(text(ODD, max_size=6))
@example("\u0915\u094d\u200d")  # a joiner that OpaqueString takes, after a virama
@example("\u0628\u200c\u0628")
@example("a\u0e33\u1100\u1161 \u3000")
def test_what_opaque_string_takes_becomes_the_same_bytes(typed: str) -> None:
    try:
        before = OPAQUE_STRING.enforce(typed).encode()
    except UnicodeError:
        return
    assert normalise(typed) == before


@given(text(ODD, max_size=6))
def test_what_is_prepared_stays_as_it_is(typed: str) -> None:
    try:
        prepared = normalise(typed)
    except PasswordRefused:
        return
    assert normalise(prepared.decode()) == prepared
    assert normalise(unicodedata.normalize("NFD", typed)) == prepared


def test_this_python_agrees_about_all_that_it_knows() -> None:
    """Form C comes from tables of Unicode 16.0; what an older version assigns does not change."""
    wrong = [
        point
        for point in range(0xA0, sys.maxunicode + 1)
        if (category := unicodedata.category(chr(point))) not in ("Cn", "Co", "Cs", "Cf", "Zs")
        and category != "Lo"  # most of all, and no more than the ranges below
        and not INVISIBLE.match(chr(point))
        and not _agrees(chr(point))
    ]
    wrong += [point for point in range(0xAC00, 0xD7A4, 97) if not _agrees(chr(point))]
    wrong += [point for point in range(0xF900, 0xFADA) if not _agrees(chr(point))]
    assert wrong == []


def _agrees(character: str) -> bool:
    try:
        return normalise(f"a{character}") == unicodedata.normalize("NFC", f"a{character}").encode()
    except PasswordRefused:
        return character in "\u2028\u2029"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("\u2764\ufe0f", "\u2764"),  # a heart of two phones
        ("\u2764\ufe0e", "\u2764"),  # as text
        ("1\ufe0f\u20e3", "1\u20e3"),  # a keycap
        ("\u845b\U000e0100", "\u845b"),  # an ideograph in another drawing
        ("\u1820\u180b", "\u1820"),  # a Mongolian letter
        ("e\ufe0f\u0301", "\u00e9"),  # removed before form C
        ("pass\u200bword\ufeff", "password"),
        ("pass\u00adword", "password"),
        ("\u200f\u05d0", "\u05d0"),
    ],
)
def test_what_shows_nothing_makes_no_difference(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    "typed",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",  # a family
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # England
        "\U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f1eb\U0001f1f7",
        "\U0001f44d\U0001f3fd",
        "\U0001fae8",  # Unicode 15.0
        "\U0001fae9",  # Unicode 16.0
        "\U0001faea",  # Unicode 17.0
        "a\u00b7b",
        "\u0640",
        "\u30fb",
        "\u06f1\u0661",
    ],
)
def test_what_people_type_is_a_password(typed: str) -> None:
    assert normalise(typed) == typed.replace("\ufe0f", "").encode()


def test_what_makes_another_picture_makes_another_password() -> None:
    family = "\U0001f468\u200d\U0001f469"
    assert normalise(family) != normalise(family.replace("\u200d", ""))
    england = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    assert normalise(england) != normalise("\U0001f3f4")


@pytest.mark.parametrize(
    ("typed", "prepared"),
    [
        ("\U00016d67\U00016d67", "f096b5a8"),  # combines since 16.0
        ("\U00016121\U0001611f", "f09684a6"),  # as above
        ("\U00011382\U000113c9", "f0918e83"),
        ("a\u0301\U00010efd", "c3a1f090bbbd"),  # a mark of 15.0, class 220, which goes first
        ("a\U00010efd\u0301", "c3a1f090bbbd"),
    ],
)
def test_form_c_is_that_of_unicode_16_whatever_python_this_is(typed: str, prepared: str) -> None:
    assert normalise(typed).hex() == prepared


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("a\tb", "U+0009 TAB"),
        ("a\0", "U+0000 NULL"),
        ("a\0\u0301", "U+0000 NULL"),
        ("e\u0301\u200d", "U+200D"),
        ("\x85", "U+0085 a control character"),
        ("a\u2028b", "U+2028 LINE SEPARATOR"),
        ("a\u200d", "U+200D ZERO WIDTH JOINER"),
        ("\u200c\u05d0", "U+200C ZERO WIDTH NON-JOINER"),
        ("\uf8ff", "U+F8FF for private use"),
        ("\ud83d", "U+D83D half a character"),
        ("\ufdd0", "U+FDD0"),
        ("\U0010ffff", "U+10FFFF"),
        ("", "it is empty"),
        ("\ufe0f", "it is empty"),
        ("\u00e9" * 513, "it has 1026 bytes, and 1024 is the most"),
        ("a" + "\u0301\u0316" * 100_000, "it has more than 1024 bytes"),
    ],
)
def test_what_is_refused_is_named(typed: str, named: str) -> None:
    with pytest.raises(PasswordRefused) as raised:
        normalise(typed)
    assert named in str(raised.value)
    assert str(raised.value).isprintable()


@pytest.mark.parametrize(
    "typed", ["", " ", "\0", "\ud800", "\u2764\ufe0f", "\u0130", "1" * 100_000]
)
def test_the_strength_of_anything_is_a_number(typed: str) -> None:
    found = strength(typed)
    assert found.score == 0
    assert not found.is_good


def test_form_c_makes_a_byte_of_one_and_a_half_characters_at_most() -> None:
    """So what is refused for its characters could not have fitted in the bytes."""
    most = max(
        len(unicodedata.normalize("NFD", character)) / len(character.encode())
        for character in map(chr, [*range(0xD800), *range(0xE000, 0x110000)])
        if unicodedata.is_normalized("NFC", character)
    )
    assert most == 1.5
    longest = "U\u0308\u0304" * 512
    assert normalise(longest) == ("\u01d5" * 512).encode()
