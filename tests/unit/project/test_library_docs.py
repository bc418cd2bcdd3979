"""Every public name of the library says what it is: arguments, fields and errors by their names."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

import strongroom
from strongroom import AsyncVault, StrongroomError, UnreachableCause, Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

CLASSES = [found for name in dir(strongroom) if inspect.isclass(found := getattr(strongroom, name))]


def docs(kind: type[Any]) -> str:
    """The docstrings of a class and of those above it that are ours."""
    ours = [above for above in kind.__mro__ if above.__module__.startswith("strongroom")]
    return "\n".join(inspect.getdoc(above) or "" for above in ours)


def fields(kind: type[Any]) -> list[str]:
    """The public attributes that an object has beside its properties."""
    if dataclasses.is_dataclass(kind):
        return [field.name for field in dataclasses.fields(kind)]
    if not (issubclass(kind, StrongroomError) and "__init__" in vars(kind)):
        return []
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))
    stored = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names = {node.attr for node in stored if isinstance(node.ctx, ast.Store)}
    return sorted(names - {"hint"})  # as every error has


def methods(kind: type[Any]) -> Iterator[tuple[str, Any, bool]]:
    """Name, function, whether it is a property: of each that is public and ours."""
    for name in dir(kind):
        found = inspect.getattr_static(kind, name)
        is_property = isinstance(found, property)
        function = found.fget if is_property else getattr(found, "__func__", found)
        if (
            not name.startswith("_")
            and inspect.isfunction(function)
            and function.__module__.startswith("strongroom")
        ):
            yield name, function, is_property


def names(text: str, name: str) -> bool:
    """Whether a docstring names something: in backticks, or at the beginning of an entry."""
    return re.search(rf"`{name}`|^ *(?:\w+, )*{name}(?:, \w+)*: ", text, re.MULTILINE) is not None


@pytest.mark.parametrize("kind", CLASSES)
def test_a_class_says_what_it_is_and_names_its_fields(kind: type[Any]) -> None:
    assert vars(kind)["__doc__"]
    assert [field for field in fields(kind) if not names(docs(kind), field)] == []


@pytest.mark.parametrize("kind", CLASSES)
def test_a_method_names_its_arguments_and_what_it_raises(kind: type[Any]) -> None:
    for name, function, is_property in methods(kind):
        doc = inspect.getdoc(function)
        assert doc, name
        if kind is AsyncVault and f"`Vault.{name}`" in doc:
            continue
        arguments = [arg for arg in inspect.signature(function).parameters if arg not in _SELF]
        assert [arg for arg in arguments if not names(doc, arg)] == [], name
        if kind is Vault and not is_property and name != "close":
            assert "\nRaises:\n" in doc, name


_SELF = {"self", "cls"}


@cache
def causes() -> dict[str, str]:
    """Each cause with the docstring behind it."""
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(UnreachableCause))).body
    assert isinstance(found, ast.ClassDef)
    described = {}
    for member, after in zip(found.body, found.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(after, ast.Expr):
            (target,) = member.targets
            described[ast.unparse(target)] = ast.unparse(after)
    return described


@pytest.mark.parametrize("cause", UnreachableCause)
def test_a_cause_says_what_it_means(cause: UnreachableCause) -> None:
    assert cause.name in causes()
