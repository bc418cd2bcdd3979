"""Characters that show nothing, and how a character is named to a person.

A phone adds such characters, or leaves them out, without being asked. What a person types is the
same with and without them.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

INVISIBLE: Final = re.compile(
    "["
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e0fff"
    "]"
)
"""Unicode's property Default_Ignorable_Code_Point, without what makes one picture or one letter
look like another: the joiners U+200C and U+200D, and the tags U+E0020 to U+E007F of flags."""

_CONTROLS: Final = {"\0": "NULL", "\t": "TAB", "\n": "NEW LINE", "\r": "RETURN", "\x1b": "ESCAPE"}


def described(character: str) -> str:
    """Return a character's number and name, as U+2028 LINE SEPARATOR."""
    name = unicodedata.name(character, "") or _CONTROLS.get(character, "")
    if not name:
        kinds = {"Cc": "a control character", "Co": "for private use", "Cs": "half a character"}
        name = kinds.get(unicodedata.category(character), "")
    return f"U+{ord(character):04X} {name}".rstrip()
