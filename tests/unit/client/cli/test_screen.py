"""What a person reads on a terminal, and what a script reads without one."""

from __future__ import annotations

import ast
import os
import re
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import screen
from strongroom.cli.screen import fitted, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    assert all(re.match(" {4}[^ ]", line) for line in lines[1:])
    assert " ".join(" ".join(lines).split()) == " ".join(("strongroom: " + LONG).split())


def test_a_wide_one_gets_them_below_the_text_of_the_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "columns", lambda _stream: 70)
    say(LONG, label="strongroom: ")
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= 70
    assert all(re.match(" {12}", line) for line in lines[1:])


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


def test_a_second_column_goes_on_below_itself_where_it_has_half_of_the_width() -> None:
    line = "key    protected since long ago, ten left"
    assert fitted(line, 32).split("\n") == ["key    protected since long ago,", "       ten left"]


def test_else_below_its_name() -> None:
    line = "strongroom rehearse --adopt    takes the key"
    assert fitted(line, 36).split("\n") == ["strongroom rehearse --adopt    takes", "    the key"]


def texts(source: str) -> Iterator[str]:
    """The texts of a module that have line ends, but for docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in node.values}
    for node in ast.walk(tree):
        text = ""
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in docstrings | parts else node.value
        if "\n" in text.strip():
            yield text


def test_nothing_but_the_width_breaks_a_sentence() -> None:
    """What is broken in the text is broken once more on a narrow terminal."""
    folder = Path(screen.__file__).parent
    found = [text for path in sorted(folder.rglob("*.py")) for text in texts(path.read_text())]
    lines = [line for text in found for line in text.strip().split("\n")[:-1]]
    assert len(lines) > 10
    ends = re.compile(r".*[.:?!]|strongroom \S.*|")
    assert [line for line in lines if not ends.fullmatch(line)] == []
