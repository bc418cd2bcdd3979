"""docs/operations.md: every command that takes --json has its row."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
from vault_process import REPOSITORY

from strongroom_vault.cli import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (REPOSITORY / "docs" / "operations.md").read_text()


def with_json(command: click.Command, name: str = "") -> Iterator[str]:
    if isinstance(command, click.Group):
        for part, child in command.commands.items():
            yield from with_json(child, f"{name} {part}".strip())
    elif any("--json" in parameter.opts for parameter in command.params):
        yield name


def test_every_command_with_json_has_its_row() -> None:
    table = PAGE.partition("\n| command | object |\n")[2].partition("\n\n")[0]
    rows = [row.split("|")[1] for row in table.splitlines()[1:]]
    told = [name for row in rows for name in re.findall("`([^`]+)`", row)]
    assert sorted([*told, "serve"]) == sorted(with_json(commands.cli))  # serve: below the table
