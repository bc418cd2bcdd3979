"""What a person reads on a terminal, and what a script reads without one."""

from __future__ import annotations

import os
import termios
import threading
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import prompts, screen
from strongroom.cli.screen import say
from strongroom.errors import PasswordRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    threading.Timer(0.05, os.write, (writer, b"password\n")).start()
    assert prompts.read_line(reader) == "password"
    os.close(reader)
    os.close(writer)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError) as raised:
        prompts.read_line(folder)
    assert raised.value.filename == f"file descriptor {folder}"
    os.close(folder)
    with open("/dev/zero", "rb") as endless, pytest.raises(PasswordRefused, match="no end"):  # noqa: PTH123
        prompts.read_line(endless.fileno())


def test_what_a_person_copies_is_never_cut(shown: Callable[[], list[str]]) -> None:
    path = "/" + "a-folder/" * 6
    say(f"It is in {path} now.")
    assert path in shown()


def test_a_script_gets_whole_lines(capfd: pytest.CaptureFixture[str]) -> None:
    say(LONG)
    assert capfd.readouterr().err == LONG + "\n"
