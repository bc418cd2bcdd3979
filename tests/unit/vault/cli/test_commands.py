"""All commands of `strongroom-vault`: each has examples it understands, and reports as JSON."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click
import pytest

from strongroom_protocol.terminal import streams
from strongroom_vault.cli import commands
from strongroom_vault.cli.commands import cli
from strongroom_vault.cli.help import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


REPORT_NOTHING = {"demo"}


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - REPORT_NOTHING))
def test_every_command_that_reports_does_so_as_json_too(path: str) -> None:
    assert "--json" in {name for option in COMMANDS[path].params for name in option.opts}


def test_the_program_has_examples_too() -> None:
    assert all(is_understood(example) for example in examples(cli))


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["no-such-command"], 2, "No such command"),
        (["status", "--config", "nowhere.toml"], 1, "nowhere.toml"),
        (["status", "--config", "nowhere.toml", "--json"], 1, '"exit_code": 1}'),
        (["no-such-command", "--json"], 2, '"exit_code": 2}'),
    ],
)
def test_an_error_is_a_sentence_or_json_and_its_exit_code(
    arguments: list[str],
    exit_code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [PROGRAM, *arguments])
    monkeypatch.setattr(streams, "prepare", lambda: None)  # capsys has the streams
    monkeypatch.setattr(commands, "harden", lambda: None)  # this process goes on
    with pytest.raises(SystemExit) as ended:
        commands.main()
    assert ended.value.code == exit_code
    assert message in capsys.readouterr().err
