"""No terminal obeys text that others chose, and no text is without an end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom_protocol.terminal.printable import LONGEST, printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße\u00a0und \u202f❤", "Grüße\u00a0und \u202f❤"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("\x9b31m", "\\x9b31m"),
        ("\ud800", "\\ud800"),
        ("\U000e0001", "\\U000e0001"),
    ],
)
def test_what_a_terminal_would_obey_becomes_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_stay_lines() -> None:
    assert printable_lines("one\r\ntwo\x07\n") == "one\\r\ntwo\\x07\n"


def test_a_long_text_is_cut_once_and_each_line_by_itself() -> None:
    assert printable("x" * LONGEST) == "x" * LONGEST
    assert printable("x" * (LONGEST + 1)) == "x" * LONGEST + "..."
    assert printable_lines("x" * LONGEST + "\n" + "y" * LONGEST).endswith("y" * LONGEST)


@given(st.text(max_size=50))
def test_any_text_becomes_printable(text: str) -> None:
    shown = printable(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert "\n" not in shown
    assert printable(shown) == shown
