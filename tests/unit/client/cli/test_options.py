"""The help of every command, on wide and narrow terminals."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from strongroom.cli.commands import cli
from strongroom.cli.options import CODES_IN_WORDS

COMMANDS = ([], *([name] for name in sorted(cli.commands)))


def help_of(command: list[str], width: int) -> str:
    done = CliRunner().invoke(cli, [*command, "--help"], env={"COLUMNS": str(width)})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "strongroom")
def test_no_word_is_cut_and_none_is_missing(command: list[str], width: int) -> None:
    wide, text = help_of(command, 80), help_of(command, width)
    assert max(map(len, text.splitlines())) < min(width, 80)
    assert text.split() == wide.split()


def test_what_it_means_stands_below_its_name_where_there_is_no_room() -> None:
    assert "\n  --replace\n        Put a fresh key in place of\n        the old one.\n" in help_of(
        ["enable"], 40
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "strongroom")
def test_it_ends_with_the_exit_codes(command: list[str]) -> None:
    assert " ".join(help_of(command, 80).split()).endswith(CODES_IN_WORDS)
