"""How the story is shown: wrapped at the terminal's width, with colours only on a terminal."""

from __future__ import annotations

import os
import re
import shutil
from textwrap import wrap
from typing import Final

import click

WIDEST: Final = 80
"""Columns. Longer lines are hard to read, however wide the terminal is."""
NARROWEST: Final = 20
INDENT: Final = "  "
_LABEL: Final = re.compile(r" *\S.*? {2,}|strongroom(-vault)?: ")
"""What stands before a line and its continuations: a name in a table, a program that complains."""


def scene(number: int, count: int, title: str) -> None:
    """Begin a scene."""
    click.echo()
    for line in fold(f"{number}/{count}  {title}", _width()):
        _show(line, bold=True)


def tell(text: str) -> None:
    """Tell a part of the story."""
    click.echo()
    for line in fold(text, _width()):
        _show(line)


def command(who: str, line: str, typed: str = "") -> None:
    """Show what somebody runs, and what they enter when it asks, which a terminal may hide.

    Args:
        who: whose terminal it is.
        line: the command.
        typed: their answer.
    """
    click.echo()
    _show_block(f"{who} $ {line}", hang=4, bold=True)
    if typed:
        _show_block(f'types: "{typed}"', hang=4, fg="cyan")


def act(who: str, what: str) -> None:
    """Show what somebody does without a command."""
    click.echo()
    _show_block(f"{who}: {what}", bold=True)


def output(text: str) -> None:
    """Show what a command has printed."""
    for line in text.splitlines():
        _show_block(line)


def fold(line: str, width: int, hang: int | None = None) -> list[str]:
    """Break a line between words, and a word only where it has no room in a line of its own.

    Args:
        line: without line ends.
        width: columns.
        hang: how far the lines after the first are indented; unless it is given, as far as the
            first one, or by what stands before the text proper if that is not wide.
    """
    if len(line) <= width:
        return [line]
    if hang is None:
        hang = len(line) - len(line.lstrip())
        if label := _LABEL.match(line):
            hang = label.end() if label.end() <= width // 3 else hang + 2
    return wrap(
        line,
        width,
        subsequent_indent=" " * min(hang, width // 2),
        expand_tabs=False,
        replace_whitespace=False,
        break_on_hyphens=False,
    )


def _show_block(line: str, hang: int | None = None, *, bold: bool = False, fg: str = "") -> None:
    for part in fold(line, _width() - len(INDENT), hang):
        _show((INDENT + part).rstrip(), bold=bold, fg=fg)


def _show(line: str, *, bold: bool = False, fg: str = "") -> None:
    """Print a line. click takes colours away where stdout is no terminal."""
    is_plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    click.echo(
        click.style(line, bold=bold or None, fg=fg or None), color=False if is_plain else None
    )


def _width() -> int:
    """The terminal's width now: a person may change it meanwhile."""
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
