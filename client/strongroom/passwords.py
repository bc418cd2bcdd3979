"""Passwords: how they are prepared before they reach OPAQUE.

What OpaqueString (RFC 8265 section 4.2) takes gets the bytes that OpaqueString gives it. More is
taken beside that, because people type it: see docs/decisions/0018-what-a-password-may-hold.md. The
rule looks the same from every Python, whatever version of Unicode it knows.
"""

from __future__ import annotations

import re
from typing import Final

from strongroom.errors import PasswordRefused
from strongroom_protocol.invisible import INVISIBLE, described
from strongroom_protocol.labels import PASSWORD_MAX_SIZE

_MAX_CHARACTERS: Final = 2 * PASSWORD_MAX_SIZE
"""Form C makes one byte of 1.5 characters at most (three of U+01D5), so more can never fit; and
pyunormalize takes the square of the time for twice as many combining marks."""

_SPACES: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""General category Zs, which does not grow any more, without U+0020."""
_REFUSED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029]"  # control characters, ends of lines and paragraphs
    "|[\ud800-\udfff]"  # surrogates: no text
    "|[\ue000-\uf8ff\U000f0000-\U0010ffff]"  # private use, and noncharacters behind it
    "|[\ufdd0-\ufdef]"  # noncharacters, as the two at the end of each plane
    f"|[{''.join(chr(plane << 16 | last) for plane in range(15) for last in (0xFFFE, 0xFFFF))}]"
    "|(?<![\u0300-\U0010ffff])[\u200c\u200d]"  # a joiner with nothing before it to join
)


def normalise(password: str) -> bytes:
    """Return the password as OPAQUE takes it: 1 to 1024 bytes of UTF-8 (docs/protocol.md, 3.3).

    Raises:
        PasswordRefused: it is empty or too long, or has a character that no password has.
    """
    visible = INVISIBLE.sub("", _SPACES.sub(" ", password))
    if len(visible) > _MAX_CHARACTERS:
        raise PasswordRefused(
            "This cannot be a password:"
            f" it has more than {PASSWORD_MAX_SIZE} bytes, and that is the most."
        )
    prepared = _form_c(visible)
    # Before as well: pyunormalize drops U+0000 where it has to compose.
    refused = _REFUSED.search(visible) or _REFUSED.search(prepared)
    if refused:
        raise PasswordRefused(
            f"This cannot be a password: {described(refused.group())} cannot be part of one."
        )
    data = prepared.encode()
    if not data:
        raise PasswordRefused("This cannot be a password: it is empty.")
    if len(data) > PASSWORD_MAX_SIZE:
        raise PasswordRefused(
            "This cannot be a password:"
            f" it has {len(data)} bytes, and {PASSWORD_MAX_SIZE} is the most."
        )
    return data


def _form_c(text: str) -> str:
    """Unicode normalisation form C of Unicode 16.0, whatever version this Python knows."""
    if text.isascii():
        return text
    from pyunormalize import NFC  # noqa: PLC0415 -- its tables take 20 ms, and few need them

    return str(NFC(text))
