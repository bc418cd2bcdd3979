"""The line that a person sees while a password is stretched."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from strongroom import VaultUnreachable
from strongroom.cli import progress
from strongroom.cli.progress import while_retrying
from strongroom.stretching import HEAVIEST
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id

if TYPE_CHECKING:
    import pytest


def test_the_usual_stretching_is_not_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.while_stretching(RFC9106_SECOND):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_heavy_one_is_said_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.while_stretching(HEAVIEST):
        said = capsys.readouterr()
        assert said.out == ""
        assert "1024 MiB, 16 times over" in said.err
    assert capsys.readouterr() == ("", "")


def test_on_a_terminal_the_seconds_are_counted_and_taken_away(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PERIOD_S", 0.01)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.while_stretching(Argon2id(1024 * 1024, 3, 4)):
        time.sleep(0.2)
    lines = capsys.readouterr().err
    assert "\r  0 s " in lines
    assert lines.endswith("\r\x1b[K")


def test_it_says_so_once_and_to_nobody_but_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    while_retrying(said.append)(VaultUnreachable())
    assert said == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    tell = while_retrying(said.append)
    tell(VaultUnreachable())
    tell(VaultUnreachable())
    assert [text.count("Trying again") for text in said] == [1]
