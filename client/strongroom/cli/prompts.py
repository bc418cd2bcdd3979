"""Asking for passwords, digits and a yes: on the terminal, or a file descriptor for scripts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from strongroom.backup_key import BackupKey
from strongroom.cli import descriptors
from strongroom.cli.password_strength import strength
from strongroom.cli.screen import has_terminal, say
from strongroom.digits import DIGITS, in_groups, read_digits
from strongroom.errors import BadDigits, PasswordRefused, WrongKey
from strongroom.passwords import normalise
from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWERS: Final = frozenset(("y", "yes", "n", "no", ""))
LINE: Final = 16
"""Digits of a line that can be typed again: four groups, as people write them down."""


class NoTerminal(StrongroomError):
    """Standard input is no terminal, so nobody can be asked."""

    message = "There is no terminal to ask for the password."
    hint = "Give it through a file descriptor: --password-fd 3 3<password-file."


class MistypedKey(WrongKey):
    """The 64 digits that a person gave do not open the backup."""

    hint = (
        "A digit may be mistyped: compare them with your note. If they are right, the backup was"
        " made with another backup key."
    )


class NotAsChosen(PasswordRefused):
    """What was given as the password of a key is none that anybody could have chosen."""

    hint = "So it is not the one that was chosen, and no attempt was used."


class WeakPassword(StrongroomError):
    """A script's new password is weak."""

    hint = "Choose another one, or use it anyway with --accept-weak-password."


def ask_password(descriptor: int | None, prompt: str = "Password", *, is_alone: bool = True) -> str:
    """Return the password that protects the key.

    Args:
        descriptor: where a script passes it; None asks for it on the terminal.
        prompt: how it is asked for.
        is_alone: whether the descriptor must give nothing else.

    Raises:
        NotOneLine, NotAsChosen: it cannot be the password; it is not tried.
    """
    try:
        if descriptor is None:
            password = _hidden(prompt)
        else:
            password = descriptors.read_password(descriptor, is_alone=is_alone)
        normalise(password)
    except descriptors.NotOneLine:
        raise
    except PasswordRefused as error:
        raise NotAsChosen(str(error)) from error
    return password


def _hidden(prompt: str, *, confirmation_prompt: bool | str = False) -> str:
    _need_terminal()
    try:
        typed = click.prompt(
            prompt, hide_input=True, confirmation_prompt=confirmation_prompt, err=True
        )
    except UnicodeDecodeError:
        raise PasswordRefused("The password is not UTF-8 text.") from None
    return str(typed)


def ask_new_password(descriptor: int | None, *, accept_weak: bool) -> str:
    """Return a new password, typed twice on a terminal; a weak one needs a confirmation."""
    if descriptor is not None:
        password = descriptors.read_password(descriptor)
        normalise(password)
        found = strength(password)
        if not found.is_good and not accept_weak:
            raise WeakPassword(f"This password is easy to guess. {found.warning}".rstrip())
        return password
    while True:
        password = _hidden("New password", confirmation_prompt="The same again")
        if _is_accepted(password, accept_weak=accept_weak):
            return password


def ask_digits(descriptor: int | None, opens: Callable[[BackupKey], bool]) -> BackupKey:
    """Return the key of the 64 digits that the person gives, on one line or on several.

    People copy them from paper, so they are echoed. If they do not open the backup, a line can be
    corrected.

    Args:
        descriptor: where a script passes them; without one they are asked for, or read from stdin
            if that is no terminal.
        opens: tells whether a key is the right one.

    Raises:
        BadDigits, MistypedKey: these are not the digits.
    """
    if descriptor is None and not has_terminal():
        descriptors.check(descriptor := sys.stdin.fileno())
    if descriptor is not None:
        key = BackupKey.from_digits(_given_digits(descriptor))
        if not opens(key):
            raise MistypedKey
        return key
    digits = _typed_digits()
    while not opens(key := BackupKey.from_digits(digits)):
        digits = _corrected(digits)
    return key


def _given_digits(descriptor: int) -> str:
    """Read lines until all 64 digits are there."""
    digits = ""
    while len(digits) < DIGITS:
        try:
            line = descriptors.read_line(descriptor)
        except PasswordRefused:
            raise BadDigits("This is not a 64-digit key: it is not text.") from None
        if not line:
            break
        digits += read_digits(line)
    return digits


def _typed_digits() -> str:
    say(
        "Type or paste the 64-digit key, on one line or several. It is shown, so that you can"
        " check it."
    )
    digits = ""
    while len(digits) < DIGITS:
        missing = f"{DIGITS - len(digits)} more digits" if digits else "64-digit key"
        try:
            more = read_digits(_typed(f"{missing}: "))
        except BadDigits as error:
            say(f"{error} This line does not count.")
            continue
        if len(digits) + len(more) > DIGITS:
            say(f"This line does not count: with it there are {len(digits) + len(more)} digits.")
            continue
        digits += more
    return digits


def _corrected(digits: str) -> str:
    """Show the digits that do not open the backup, and let one line be typed again."""
    lines = [digits[at : at + LINE] for at in range(0, DIGITS, LINE)]
    say("This key does not open this backup. A digit may be mistyped:")
    for number, line in enumerate(lines, 1):
        say(f"{number}:  {in_groups(line)}")
    choice = _typed(f"Wrong line (1 to {len(lines)}, or none)? ").strip()
    if choice not in {str(number) for number in range(1, len(lines) + 1)}:
        raise MistypedKey
    while True:
        try:
            again = read_digits(_typed(f"{choice}:  "))
        except BadDigits as error:
            say(str(error))
            continue
        if len(again) == LINE:
            lines[int(choice) - 1] = again
            return "".join(lines)
        say(f"This line has {len(again)} digits, and {LINE} are needed.")


def confirm(question: str) -> None:
    """Ask on a terminal and end the command at a no; a script is not asked."""
    if has_terminal():
        require_yes(question)


def require_yes(question: str) -> None:
    """Ask for a yes, and end the command at a no."""
    if not is_yes(question):
        raise click.Abort


def is_yes(question: str) -> bool:
    """Ask until the answer is yes or no; an empty line is a no."""
    while (answer := _typed(f"{question} [y/N]: ").strip().lower()) not in _ANSWERS:
        say("Answer yes or no.")
    return answer.startswith("y")


def _typed(prompt: str) -> str:
    """Return a line that is typed with echo. The prompt goes to stderr, never into the data."""
    click.echo(prompt, nl=False, err=True)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError:
        raise BadDigits("What was typed is not UTF-8 text.") from None
    if not line:
        raise click.Abort  # Ctrl-D
    return line


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
    return is_yes("Use it anyway?")


def _need_terminal() -> None:
    if not has_terminal():
        raise NoTerminal
