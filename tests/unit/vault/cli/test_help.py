"""The help of `strongroom-vault`: lists that are not cut, exit codes, examples."""

from __future__ import annotations

import re
import sys

import click
import pytest

from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_vault.cli import help as help_texts
from strongroom_vault.cli.commands import cli, main
from strongroom_vault.cli.help import (
    PROGRAM,
    Command,
    Group,
    also_exits_with,
    ends_well_at_ctrl_c,
)
from strongroom_vault.errors import NotServing, OperatorError, WrongPin

GROUPS: dict[str, click.Group] = {"": cli}
GROUPS |= {name: one for name, one in cli.commands.items() if isinstance(one, click.Group)}


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("path", GROUPS)
def test_the_list_of_commands_is_not_cut(path: str, columns: int) -> None:
    group = GROUPS[path]
    with click.Context(group, info_name=PROGRAM, terminal_width=columns) as context:
        shown = group.get_help(context)
    words = " ".join(shown.split())
    for command in group.commands.values():
        assert command.help is not None
        first = " ".join(command.help.split()).split(". ")[0].rstrip(".")
        assert first in words
    listed = shown.partition("Commands:")[2].partition("Examples")[0]
    assert max(map(len, listed.splitlines())) <= columns


@pytest.mark.parametrize(
    ("columns", "width"), [("40", 38), ("80", 78), ("200", 78), ("1", help_texts.NARROWEST)]
)
def test_the_help_fits_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    columns: str,
    width: int,
) -> None:
    """Examples are lines to be copied, and stay whole."""
    monkeypatch.setenv("COLUMNS", columns)
    assert help_texts.help_width() == width
    monkeypatch.setattr(sys, "argv", [PROGRAM, "init", "--help"])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr().out.partition("Examples")[0]
    assert max(map(len, shown.splitlines())) <= max(width, 40)


def test_the_help_lists_all_exit_codes() -> None:
    with click.Context(cli, info_name=PROGRAM) as context:
        shown = cli.get_help(context).partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"^  ([0-9]+)  ", shown, re.MULTILINE)} == {
        0,
        1,
        2,
        OperatorError.exit_code,
        WrongPin.exit_code,
        NotServing.exit_code,
        INTERRUPTED,
    }


def test_a_command_lists_its_own_exit_codes() -> None:
    plain = Command("plain")
    other = Command("other")
    also_exits_with(WrongPin.exit_code)(other)
    assert plain.exit_codes == (0, 1, 2, 130)
    assert other.exit_codes == [0, 1, 2, 3, 130]
    assert Group("both", {"plain": plain, "other": other}).exit_codes == other.exit_codes


def test_examples_are_lines_of_their_own() -> None:
    command = Command("show", epilog=help_texts.examples("show a", "show b"))
    with click.Context(command, info_name="show") as context:
        lines = command.get_help(context).splitlines()
    assert [line.strip() for line in lines[-3:]] == [
        "Examples:",
        f"{PROGRAM} show a",
        f"{PROGRAM} show b",
    ]


def test_what_ctrl_c_ends_well_does_not_list_it() -> None:
    assert 130 not in ends_well_at_ctrl_c(Command("serve")).exit_codes  # type: ignore[attr-defined]
    assert 130 not in cli.commands["serve"].exit_codes  # type: ignore[attr-defined]
    assert 130 in cli.commands["status"].exit_codes  # type: ignore[attr-defined]
