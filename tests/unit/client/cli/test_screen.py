"""What a person reads on a terminal, and what a script reads without one."""

from __future__ import annotations

import os
import termios
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import screen
from strongroom.cli.screen import say

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = (
    "The vault has another key than this device, or the same one protected elsewhere since.\n"
    "strongroom enable --replace    puts a fresh key in place of the vault's, for good"
)


@pytest.fixture
def shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """The lines on a terminal of 40 columns."""
    monkeypatch.setattr(screen, "columns", lambda _stream: 40)

    def lines() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return lines


def test_a_terminal_gets_lines_that_it_has_room_for(shown: Callable[[], list[str]]) -> None:
    say(LONG, label="strongroom: ")
    lines = shown()
    assert max(map(len, lines)) <= 40
    assert lines[0] == "strongroom: The vault has another key"
    assert all(line.startswith(" " * 12) for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(("strongroom: " + LONG).split())


def test_a_line_keeps_its_indentation(shown: Callable[[], list[str]]) -> None:
    say("  " + "word " * 12)
    assert [line[:6] for line in shown()] == ["  word", "  word"]


def test_a_terminal_of_somebody_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is none of this process' session: nothing may fail after a password was typed."""
    _ours, theirs = os.openpty()
    with os.fdopen(theirs, "r") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        before = termios.tcgetattr(theirs)
        with screen.unechoed():
            assert termios.tcgetattr(theirs) == before


def test_what_a_person_copies_is_never_cut(shown: Callable[[], list[str]]) -> None:
    path = "/" + "a-folder/" * 6
    say(f"It is in {path} now.")
    assert path in shown()


def test_a_script_gets_whole_lines(capfd: pytest.CaptureFixture[str]) -> None:
    say(LONG)
    assert capfd.readouterr().err == LONG + "\n"
