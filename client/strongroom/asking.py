"""How the command asks a person: on the terminal, or from a file descriptor for scripts."""

from __future__ import annotations

import fcntl
import math
import os
import sys
from textwrap import fill

import click

from strongroom.backup_key import BackupKey
from strongroom.errors import PasswordRefused, StrongroomError
from strongroom.passwords import normalise, strength


class NoTerminal(StrongroomError):
    """There is nobody to ask."""

    sentence = "There is no terminal to ask for the password on."
    hint = "Give it through a file descriptor: --password-fd 3 3<password-file."


class BadDescriptor(StrongroomError):
    """A script named a file descriptor that cannot be read."""

    hint = "Open it in the shell: strongroom ... --password-fd 3 3<password-file."


class WeakPassword(StrongroomError):
    """A script's new password is weak."""

    hint = "Choose another one, or insist with --accept-weak-password."


def check(*descriptors: int | None) -> None:
    """Make sure that there is something to read from, before anything is done.

    Raises:
        BadDescriptor: one that was named is not open for reading.
    """
    for descriptor in descriptors:
        if descriptor is None:
            continue
        try:
            mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        except (OSError, OverflowError, ValueError) as error:  # ValueError: a negative number
            raise BadDescriptor(f"The file descriptor {descriptor} is not open.") from error
        if mode == os.O_WRONLY:
            raise BadDescriptor(f"The file descriptor {descriptor} is only open for writing.")


def read_line(descriptor: int) -> str:
    """Return the first line of a file descriptor, without its end."""
    data = b""
    while not data.endswith(b"\n"):
        part = os.read(descriptor, 1)
        if not part:
            break
        data += part
    try:
        return data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise PasswordRefused("The password is not UTF-8 text.") from None


def ask_password(descriptor: int | None, prompt: str = "Password") -> str:
    """Return the password that protects the key."""
    if descriptor is not None:
        return read_line(descriptor)
    _need_terminal()
    return str(click.prompt(prompt, hide_input=True, err=True))


def ask_new_password(descriptor: int | None, *, accept_weak: bool) -> str:
    """Return a new password, asked twice on a terminal; a weak one has to be insisted on."""
    if descriptor is not None:
        password = read_line(descriptor)
        normalise(password)
        found = strength(password)
        if not found.is_good and not accept_weak:
            raise WeakPassword(f"This password is easy to guess. {found.warning}".rstrip())
        return password
    _need_terminal()
    while True:
        password = str(
            click.prompt(
                "New password", hide_input=True, confirmation_prompt="The same again", err=True
            )
        )
        if _is_accepted(password, accept_weak=accept_weak):
            return password


def ask_digits(descriptor: int | None) -> BackupKey:
    """Return the key of the 64 digits that the person gives."""
    if descriptor is not None:
        return BackupKey.from_digits(read_line(descriptor))
    _need_terminal()
    return BackupKey.from_digits(str(click.prompt("64-digit key", hide_input=True, err=True)))


def confirm(question: str) -> None:
    """Ask a person who is there, and end the command at a no; a script has said what it wants."""
    if has_terminal():
        click.confirm(question, abort=True, err=True)


def say(text: str, *, label: str = "") -> None:
    """Tell the person something, beside the data; on a terminal, in lines that it has room for.

    Args:
        text: lines.
        label: stands before the first line; the others are indented by its width.
    """
    columns = _columns()
    for number, line in enumerate(text.split("\n")):
        shown = (" " * len(label) if number else label) + line
        indent = " " * max(len(label), len(line) - len(line.lstrip()))
        click.echo(shown if len(shown) <= columns else _filled(shown, columns, indent), err=True)


def _filled(line: str, columns: float, indent: str) -> str:
    """Break a line between words; a command, a path or a key is never cut."""
    return fill(
        line,
        int(columns),
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _columns() -> float:
    """How wide the terminal is; without a bound where there is none, for what scripts read."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or math.inf
    except (OSError, ValueError):  # no terminal; no file at all
        return math.inf


def has_terminal() -> bool:
    """Whether a person is there to be asked."""
    return sys.stdin.isatty()


def _is_accepted(password: str, *, accept_weak: bool) -> bool:
    try:
        normalise(password)
    except PasswordRefused as error:
        say(f"{error}\n{error.hint}")
        return False
    found = strength(password)
    if found.is_good or accept_weak:
        return True
    say(f"This password is easy to guess. {found.warning}".rstrip())
    return click.confirm("Use it all the same?", err=True)


def _need_terminal() -> None:
    if not has_terminal():
        raise NoTerminal
