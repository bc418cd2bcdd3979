"""What the command shows: messages on stderr, data on stdout, both as wide as the terminal."""

from __future__ import annotations

import math
import os
import sys
import termios
from contextlib import contextmanager, suppress
from textwrap import fill
from typing import TYPE_CHECKING, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterator


def say(text: str, *, label: str = "") -> None:
    """Print a message on stderr; on a terminal it is wrapped to the width.

    Args:
        text: lines.
        label: stands before the first line; the others are indented by its width.
    """
    room = columns(sys.stderr)
    for number, line in enumerate(text.split("\n")):
        shown = (" " * len(label) if number else label) + line
        indent = " " * max(len(label), len(line) - len(line.lstrip()))
        click.echo(shown if len(shown) <= room else _filled(shown, room, indent), err=True)


def show(line: str, indent: int = 0) -> None:
    """Print a line of data; on a terminal that is too narrow it is broken between words.

    Args:
        line: without its end.
        indent: by how much its other lines are indented then.
    """
    room = columns(sys.stdout)
    click.echo(line if len(line) <= room else _filled(line, room, " " * indent))


def _filled(line: str, room: float, indent: str) -> str:
    """Break a line between words; a command, a path or a key is never cut."""
    return fill(
        line,
        int(room),
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


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
