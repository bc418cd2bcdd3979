"""All errors in one place: each can be imported from the package, says something, and helps."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import strongroom
import strongroom_protocol
from strongroom import StrongroomError, errors

MODULES = ("backup_errors", "failures", "refusals")
CLASSES = [getattr(errors, name) for name in errors.__all__]
LIBRARY = [
    *Path(strongroom.__file__).parent.glob("*.py"),
    *Path(strongroom_protocol.__file__).parent.glob("*.py"),
]
COMMAND_LINE = re.compile(
    r"(?:^|\s)--[a-z]|\b[Cc]ommand|`strongroom|\bstrongroom [a-z]|STRONGROOM_[A-Z]"
)


def test_it_has_every_error_of_the_client_and_nothing_else() -> None:
    defined = {
        name
        for module in MODULES
        for name, kind in vars(__import__(f"strongroom.{module}", fromlist=[module])).items()
        if inspect.isclass(kind)
        and issubclass(kind, StrongroomError)
        and kind is not StrongroomError
    }
    assert set(errors.__all__) == defined


@pytest.mark.parametrize("kind", CLASSES)
def test_the_package_has_it_too(kind: type[StrongroomError]) -> None:
    assert getattr(strongroom, kind.__name__) is kind
    assert kind.__name__ in strongroom.__all__


@pytest.mark.parametrize("kind", CLASSES)
def test_each_says_what_is_wrong_and_what_to_do(kind: type[StrongroomError]) -> None:
    assert kind.hint.endswith(".")
    if kind.__init__ is StrongroomError.__init__:
        assert str(kind()) == kind.message != StrongroomError.message
        assert kind.message.endswith(".")


def texts(path: Path) -> list[str]:
    """Every string of a module that is not a docstring."""
    tree = ast.parse(path.read_text())
    docs = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return [node.value for node in strings if isinstance(node.value, str) and node not in docs]


def test_the_library_says_nothing_of_command_lines() -> None:
    """What a program is told it can do; the command has its own hints (`cli/hints.py`)."""
    assert len(LIBRARY) > 30
    found = {
        (path.name, text)
        for path in LIBRARY
        if path.name != "__main__.py"
        for text in texts(path)
        if COMMAND_LINE.search(text)
    }
    assert not found
