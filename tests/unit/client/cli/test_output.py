"""What commands write: rows, warnings, and whether there is anywhere to write to."""

from __future__ import annotations

import os

import pytest

from strongroom.cli import output, screen


def test_a_row_is_a_name_and_what_belongs_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    output.row("key", "none")
    assert capsys.readouterr() == ("key       none\n", "")


def test_a_row_goes_on_below_its_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "columns", lambda _stream: 30)
    output.row("key", "protected since yesterday, 9 of 10")
    first, second = capsys.readouterr().out.splitlines()
    assert first == "key       protected since"
    assert second == " " * output.NAME_WIDTH + "yesterday, 9 of 10"


def test_a_warning_stands_apart_and_only_if_there_is_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output.warn("")
    assert capsys.readouterr() == ("", "")
    output.warn("Look out.")
    assert capsys.readouterr() == ("", "\nWARNING: Look out.\n")


def test_only_standard_output_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull) as closed:  # noqa: PTH123 -- a stream that cannot be written
        monkeypatch.setattr("sys.stdout", closed)
        output.require_stdout("chats.db")
        with pytest.raises(output.NoOutput, match="standard output is closed"):
            output.require_stdout("-")
