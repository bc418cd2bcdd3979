"""The help of `strongroom-vault`: every command has examples, and they are good ones."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import click
import pytest

from strongroom_protocol.terminal.loading import INTERRUPTED
from strongroom_vault.cli.commands import cli
from strongroom_vault.cli.help import PROGRAM
from strongroom_vault.errors import NotServing, OperatorError, WrongPin

if TYPE_CHECKING:
    from collections.abc import Iterator


def leaves(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    for name, below in command.commands.items():
        yield from leaves(below, f"{path} {name}".strip())


COMMANDS = dict(leaves(cli))


def examples(command: click.Command) -> list[str]:
    """The words after the program's name, of each example."""
    assert command.epilog is not None
    _, *lines = command.epilog.removeprefix("\b\n").splitlines()
    assert all(line.startswith(f"  {PROGRAM} ") for line in lines)
    return [line.removeprefix(f"  {PROGRAM} ") for line in lines]


def is_understood(example: str) -> bool:
    """Whether it names a command, its arguments, and options that it has."""
    words = shlex.split(example.split(" >", maxsplit=1)[0].split(" 2>", maxsplit=1)[0])
    path = next(path for path in COMMANDS if words[: len(path.split())] == path.split())
    command = COMMANDS[path]
    with click.Context(command, info_name=path) as context:
        left = command.make_parser(context).parse_args(words[len(path.split()) :])[1]
    return not left


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_has_examples_that_it_understands(path: str) -> None:
    command = COMMANDS[path]
    found = examples(command)
    assert found
    assert all(example.startswith(path) and is_understood(example) for example in found)
    assert command.help is not None
    first = command.help.split(".")[0]
    assert len(first) < 60, "the list of commands would cut this off"


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


REPORT_NOTHING = {"demo"}


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - REPORT_NOTHING))
def test_every_command_that_reports_does_so_as_json_too(path: str) -> None:
    assert "--json" in {name for option in COMMANDS[path].params for name in option.opts}


def test_the_program_has_examples_too() -> None:
    assert all(is_understood(example) for example in examples(cli))
