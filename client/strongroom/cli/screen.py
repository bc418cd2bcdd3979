"""What the command shows: messages on stderr, data on stdout, both as wide as the terminal."""

from __future__ import annotations

import math
import os
import re
import sys
import termios
from contextlib import contextmanager, suppress
from textwrap import fill
from typing import TYPE_CHECKING, Final, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = re.compile(r" *\S.*?\S {2,}(?=\S)")
"""What stands in the first of two columns, such as a command before what it does."""
_HANG: Final = 4
NARROW: Final = 60
"""Columns below which there is no room for two columns of text."""


def say(text: str, *, label: str = "") -> None:
    """Print a message on stderr; on a terminal it is wrapped to the width.

    Args:
        text: paragraphs, a line each: nothing else may break lines, or they are broken twice.
        label: stands before the first line; the others are indented by its width, and on a narrow
            terminal by less, so that long names have room.
    """
    room = columns(sys.stderr)
    lead = len(label) if room >= NARROW else min(len(label), _HANG)
    for number, line in enumerate(text.split("\n")):
        shown = (" " * lead if number else label) + line
        click.echo(fitted(shown, room, max(lead, _hang_of(line, room))), err=True)


def show(line: str, indent: int = 0) -> None:
    """Print a line of data; on a terminal that is too narrow it is broken between words.

    Args:
        line: without its end.
        indent: by how much its other lines are indented then.
    """
    room = columns(sys.stdout)
    click.echo(fitted(line, room, indent))


def fitted(line: str, room: float, indent: int | None = None) -> str:
    """Break a line between words; a command, a path or a key is never cut.

    Args:
        line: without its end.
        room: columns; infinite to leave it as it is.
        indent: by how much its other lines are indented; None for what suits the line.
    """
    if len(line) <= room:
        return line
    return fill(
        line,
        int(room),
        subsequent_indent=" " * (_hang_of(line, room) if indent is None else indent),
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _hang_of(line: str, room: float) -> int:
    """Return how far a line's other lines are indented: as its text is, or its second column."""
    lead = len(line) - len(line.lstrip())
    name = _NAME.match(line)
    if name is None:
        return lead
    return name.end() if name.end() <= room // 2 else lead + _HANG


def columns(stream: TextIO) -> float:
    """Return the terminal's width; infinite without one, so that scripts get whole lines."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or math.inf
    except (OSError, ValueError):  # no terminal; no file at all
        return math.inf


def has_terminal() -> bool:
    """Whether standard input is a terminal, so that somebody can be asked."""
    return sys.stdin.isatty()


@contextmanager
def unechoed() -> Iterator[None]:
    """Do not echo what is typed ahead while the command works: it may be the next password."""
    if not _owns_terminal():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = [*before]
    silent[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        with suppress(termios.error):  # it may be gone, and what was done meanwhile counts
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _owns_terminal() -> bool:
    """Whether this command is in the terminal's foreground."""
    try:
        return has_terminal() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal that does not control this process
        return False
