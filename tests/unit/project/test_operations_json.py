"""`docs/operations.md` against the commands that it describes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from strongroom_vault.cli.commands import cli
from strongroom_vault.operator.development import Development

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = (Path(__file__).parents[3] / "docs" / "operations.md").read_text(encoding="utf-8")
TABLE: Final = PAGE.partition("| command | object |")[2].partition("\n\n")[0]
ROWS: Final = re.findall(r"^\| (`.*?`) \| (.*) \|$", TABLE, re.MULTILINE)
LOGS_ONLY: Final = {"serve"}
"""What --json changes of it stands below the table."""


def with_json(group: click.Group, path: str = "") -> Iterator[str]:
    """The names of all commands that have --json."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from with_json(command, f"{path}{name} ")
        elif any("--json" in option.opts for option in command.params):
            yield f"{path}{name}"


def test_every_command_with_json_has_its_row() -> None:
    listed = [name for names, _ in ROWS for name in re.findall(r"`([^`]+)`", names)]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(with_json(cli)) - LOGS_ONLY
    assert "`serve` logs in JSON always; with `--json`" in PAGE


def test_the_row_of_dev_names_what_it_prints() -> None:
    (fields,) = (fields for names, fields in ROWS if names == "`dev`")
    made = Development(Path("/f"), "strongroom1a", Path("/f/token"), ("a",), is_kept=False)
    assert re.findall("`([a-z_]+)`", fields) == list(json.loads(made.as_json()))
