"""`passwords.js` prepares a password as the client does [3.3 and 10.4 of docs/protocol.md]."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import category

from strongroom.errors import PasswordRefused
from strongroom.passwords import normalise

if TYPE_CHECKING:
    from opaque_p256_peer import Peer


def test_both_prepare_every_character_alike(peer: Peer) -> None:
    """[3.3, 10.4] As it is, at the end of a word, and before a mark that it may combine with."""
    known = [p for p in (*range(0xD800), *range(0xE000, 0x20000)) if category(chr(p)) != "Cn"]
    points = [*known, *range(0x1F000, 0x1FB00)]  # emoji of later versions too
    for before, after in (("", ""), ("a", ""), ("a", "\u0301")):
        theirs = peer.call("prepared", before, after, points)
        assert theirs == [_prepared(before + chr(point) + after) for point in points]


def _prepared(typed: str) -> str | None:
    try:
        return normalise(typed).hex()
    except PasswordRefused:
        return None
