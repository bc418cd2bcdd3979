"""All errors in one place: each can be imported from the package, says something, and helps."""

from __future__ import annotations

import inspect

import pytest

import strongroom
from strongroom import StrongroomError, errors

MODULES = ("backup_errors", "failures", "refusals")
CLASSES = [getattr(errors, name) for name in errors.__all__]


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
