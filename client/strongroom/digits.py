"""The 64 digits as people write, type and paste them.

What a person would read as the same digits is the same digits: whatever stands between the groups,
whatever keyboard wrote them, and letters that look like a digit of this key and are none.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from strongroom.errors import BadDigits
from strongroom_protocol.invisible import INVISIBLE, described

DIGITS: Final = 64
GROUP: Final = 4
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_BETWEEN: Final = frozenset("\u2212\u2043\u02d7\u00b7\u2022\u20e3\u200c\u200d.,:;/_")
"""Beside white space and dashes: minus signs, dots, what a phone makes of two spaces; keycaps."""
_LOOKS_LIKE: Final = {
    **dict.fromkeys("oO\u041e\u043e\u039f\u03bf", "0"),
    **dict.fromkeys("lI\u0406\u0456\u0399", "1"),
    **dict.fromkeys("\u0410\u0430\u0391\u03b1", "a"),
    **dict.fromkeys("\u0412\u0392", "b"),
    **dict.fromkeys("\u0421\u0441\u03f9", "c"),
    **dict.fromkeys("\u0415\u0435\u0395", "e"),
}
"""O and l beside zero and one, then Cyrillic and Greek letters that look like Latin ones."""


def read_digits(text: str) -> str:
    """Return the digits of a text, in lower case and without what stands between them.

    Raises:
        BadDigits: there is something that is neither a digit nor stands between digits.
    """
    return "".join(_read(character) for character in INVISIBLE.sub("", text))


def in_groups(digits: str) -> str:
    """Return digits in groups of four."""
    return " ".join(digits[at : at + GROUP] for at in range(0, len(digits), GROUP))


def _read(character: str) -> str:
    plain = unicodedata.normalize("NFKC", character)  # full width, mathematical
    value = unicodedata.decimal(plain, None) if len(plain) == 1 else None
    digit = str(value) if value is not None else _LOOKS_LIKE.get(plain, plain.lower())
    if digit in _HEXADECIMAL:
        return digit
    if plain.isspace() or plain in _BETWEEN or unicodedata.category(character) == "Pd":
        return ""
    seen = f" ({character})" if character.isprintable() else ""
    raise BadDigits(
        f"This is not a 64-digit key: {described(character)}{seen} is not a digit of it."
    )
