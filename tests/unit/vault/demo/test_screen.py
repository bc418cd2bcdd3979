"""How the demo's lines are broken at the terminal's width."""

from __future__ import annotations

import os

import pytest

from strongroom_vault.demo import screen


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        ("", [""]),
        ("short", ["short"]),
        (
            "the head in the database was not made by this vault",
            ["the head in the database was", "not made by this vault"],
        ),
        (
            "    indented as it was, also where it goes on",
            ["    indented as it was, also", "    where it goes on"],
        ),
        (
            "key       destroyed on 2026-11-25 at 08:17 UTC",
            ["key       destroyed on", "          2026-11-25 at 08:17", "          UTC"],
        ),
        (
            "strongroom: Wrong password. 2 attempts are left.",
            ["strongroom: Wrong password. 2", "  attempts are left."],
        ),
        (
            "  key strongroom.root   will be made",
            ["  key strongroom.root   will", "    be made"],
        ),
        (
            "Al5Oo5zQ83olWD0TBVJ3BywU7jLatZF1Ema4dyjZLlKG",
            ["Al5Oo5zQ83olWD0TBVJ3BywU7jLatZ", "F1Ema4dyjZLlKG"],
        ),
    ],
)
def test_lines_are_broken_where_one_would(line: str, folded: list[str]) -> None:
    assert screen.fold(line, 30) == folded


def test_a_complaint_hangs_below_itself_where_there_is_room() -> None:
    line = "strongroom: Wrong password. 2 attempts are left."
    assert screen.fold(line, 38) == [
        "strongroom: Wrong password. 2 attempts",
        " " * 12 + "are left.",
    ]


@pytest.mark.parametrize(("columns", "width"), [("40", 40), ("200", 80), ("3", 20), ("0", 80)])
def test_no_line_is_wider_than_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((80, 24)))
    screen.command("phone", "strongroom restore " + "chats.db.age " * 20, "seven brown foxes " * 8)
    screen.tell("word " * 60)
    screen.output("x" * 300)
    widest = max(len(line) for line in capsys.readouterr().out.splitlines())
    assert width - 12 <= widest <= width
