"""README.md: everything that it names exists."""

from __future__ import annotations

import re
import shlex
import tomllib

import click
import pytest
from vault_process import REPOSITORY

import strongroom
from strongroom.cli import commands
from strongroom_vault.cli import commands as vault_cli

TEXT = (REPOSITORY / "README.md").read_text()
PROGRAMS = {"strongroom": commands.cli, "strongroom-vault": vault_cli.cli}
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
SPANS = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", PROSE)]
LINES = [
    line.partition("#")[0].strip()
    for block in BLOCKS
    for line in re.sub(r"\\\n\s*", "", block).splitlines()
]
COMMANDS = sorted({text for text in [*LINES, *SPANS] if text.split(" ")[0] in PROGRAMS})
OPTIONS = sorted({span for span in SPANS if span.startswith("--")})


def every_option(command: click.Command) -> set[str]:
    own = {name for parameter in command.params for name in parameter.opts}
    if isinstance(command, click.Group):
        return own.union(*map(every_option, command.commands.values()))
    return own


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_exist_with_their_options(line: str) -> None:
    name, *words = shlex.split(line.partition(" 2>")[0].partition(" >")[0].rstrip("& "))
    command: click.Command = PROGRAMS[name]
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    options = {word for word in words if word.startswith("--")}
    assert options <= every_option(command) | {"--help"}


@pytest.mark.parametrize("span", OPTIONS)
def test_options_exist(span: str) -> None:
    assert any(span in every_option(program) for program in PROGRAMS.values())


def test_there_was_something_to_look_at() -> None:
    assert len(COMMANDS) > 10
    assert len(OPTIONS) > 5


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([A-Z][a-z]+[A-Z]\w+)[`(]", TEXT))))
def test_names_of_the_library_exist(name: str) -> None:
    assert hasattr(strongroom, name)


@pytest.mark.parametrize(
    "path",
    sorted(
        {link for link in re.findall(r"\]\(([^)#\s]+)", TEXT) if "://" not in link}
        | {span for span in SPANS if re.match("[a-z]+/", span)}
    ),
)
def test_paths_lead_somewhere(path: str) -> None:
    assert (REPOSITORY / path).exists()


def test_what_is_installed_is_ours() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    wanted = re.findall(r"pip install '?([^'`\s]+)", TEXT)
    assert wanted
    for requirement in wanted:
        name, _, extra = requirement.partition("[")
        assert name in (project["name"], ".")
        assert extra.rstrip("]") in {"", *project["optional-dependencies"]}


@pytest.mark.parametrize("target", re.findall(r"^    make (\w+)", TEXT, re.MULTILINE))
def test_make_knows_its_targets(target: str) -> None:
    assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
