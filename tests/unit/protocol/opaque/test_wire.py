"""Fields are read in order, all of them, and nothing may follow. Messages: `test_messages.py`."""

from __future__ import annotations

import pytest

from strongroom_protocol.opaque.errors import PointNotOnCurve, TrailingBytes, WrongLength
from strongroom_protocol.opaque.group import GENERATOR
from strongroom_protocol.opaque.messages import KE3
from strongroom_protocol.opaque.wire import Reader, require_size


def test_fields_are_taken_in_order() -> None:
    reader = Reader("KE9", b"ab" + GENERATOR.encode() + b"c")
    assert reader.take("first", 2) == b"ab"
    assert reader.element("second") == GENERATOR
    with pytest.raises(TrailingBytes, match="KE9: 1 bytes too many"):
        reader.end()
    assert reader.take("third", 1) == b"c"
    reader.end()


def test_what_is_missing_is_named_and_nothing_is_taken() -> None:
    reader = Reader("KE9", b"abc")
    with pytest.raises(WrongLength, match=r"KE9\.nonce: 3 of 4 bytes") as refused:
        reader.take("nonce", 4)
    assert refused.value.field == "KE9.nonce"
    assert reader.take("nonce", 3) == b"abc"


def test_what_is_not_a_point_is_named() -> None:
    with pytest.raises(PointNotOnCurve) as refused:
        Reader("KE9", b"\x02" + bytes(31) + b"\x01").element("keyshare")
    assert refused.value.field == "KE9.keyshare"


def test_a_message_is_the_whole_input() -> None:
    assert KE3.decode(b"m" * 32) == KE3(b"m" * 32)
    with pytest.raises(WrongLength):
        KE3.decode(b"m" * 31)
    with pytest.raises(TrailingBytes):
        KE3.decode(b"m" * 33)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_size_is_exact(size: int) -> None:
    require_size("nonce", bytes(32), 32)
    with pytest.raises(WrongLength, match=f"nonce: {size} bytes instead of 32"):
        require_size("nonce", bytes(size), 32)
