"""What is asked for: the password that opens, one that is new, and a yes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click
import pytest

from strongroom.cli import prompts
from strongroom.cli.descriptors import NotOneLine
from strongroom.errors import PasswordRefused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRONG = "seven brown foxes under one roof"


@pytest.fixture
def given(tmp_path: Path) -> Callable[[str], int]:
    """A descriptor with a text to read."""

    def open_text(text: str) -> int:
        path = tmp_path / "text"
        path.write_text(text)
        return os.open(path, os.O_RDONLY)

    return open_text


@pytest.mark.parametrize("text", ["", "\n", "a\x00b\n", "x" * 2000])
def test_what_nobody_can_have_chosen_is_not_tried(given: Callable[[str], int], text: str) -> None:
    with pytest.raises(prompts.NotAsChosen, match="cannot be a password") as refused:
        prompts.ask_password(given(text))
    assert "no attempt was used" in refused.value.hint
    assert "hoose" not in refused.value.hint  # it is not new


def test_a_new_password_that_is_refused_may_be_another(given: Callable[[str], int]) -> None:
    with pytest.raises(PasswordRefused) as refused:
        prompts.ask_new_password(given("a\x00b\n"), accept_weak=True)
    assert "choose another one" in refused.value.hint
    with pytest.raises(prompts.WeakPassword, match="easy to guess") as weak:
        prompts.ask_new_password(given("hunter2\n"), accept_weak=False)
    assert "--accept-weak-password" in weak.value.hint
    assert prompts.ask_new_password(given("hunter2\n"), accept_weak=True) == "hunter2"


def test_no_line_is_dropped(given: Callable[[str], int]) -> None:
    for text in (f"{STRONG}\nmore\n", f"\n{STRONG}\n"):
        with pytest.raises(NotOneLine):
            prompts.ask_password(given(text))
        with pytest.raises(NotOneLine):
            prompts.ask_new_password(given(text), accept_weak=False)
    assert prompts.ask_password(given(f"{STRONG}\n")) == STRONG


def test_without_a_terminal_nobody_is_asked(
    given: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with os.fdopen(given("y\nno\n\nperhaps\nYES\n")) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        with pytest.raises(prompts.NoTerminal):
            prompts.ask_password(None)
        prompts.confirm("Go on?")
        answers = [prompts.is_yes("Delete it?") for _ in range(4)]
        assert answers == [True, False, False, True]  # `perhaps` is asked again
        with pytest.raises(click.Abort):
            prompts.require_yes("Delete it?")  # the end of the file
