"""Text that others chose, as a terminal may show it: without anything that it would obey."""

from __future__ import annotations

from typing import Final
from unicodedata import category

LONGEST: Final = 4000
"""Characters of one text that are shown; what is longer is cut."""
_SPACE: Final = "Zs"


def printable(text: str) -> str:
    """Return text of one line: control and invisible characters become escapes."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return "".join(map(_printable, text))


def printable_lines(text: str) -> str:
    """Return text of one or more lines, each as `printable` returns it."""
    return "\n".join(map(printable, text.split("\n")))


def _printable(character: str) -> str:
    if character.isprintable() or category(character) == _SPACE:
        return character
    return character.encode("unicode_escape").decode("ascii")
