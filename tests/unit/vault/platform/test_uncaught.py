"""Errors that nobody caught: named, with places, without what they say."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from strongroom_vault.platform import uncaught

if TYPE_CHECKING:
    from collections.abc import Iterator

Reports = list[tuple[str, list[str]]]


@pytest.fixture
def reports() -> Iterator[Reports]:
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    found: Reports = []
    uncaught.report_to(lambda name, where: found.append((name, where)))
    yield found
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks


def fail() -> None:
    raise LookupError("a secret")


def test_the_main_thread(reports: Reports) -> None:
    try:
        fail()
    except LookupError as error:
        sys.excepthook(LookupError, error, error.__traceback__)
    ((name, where),) = reports
    assert name == "LookupError"
    line = fail.__code__.co_firstlineno + 1
    assert where[-1] == f"test_uncaught.py:{line}"
    assert "secret" not in str(reports)


def test_another_thread(reports: Reports) -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert [name for name, _ in reports] == ["LookupError"]


def test_what_nobody_could_catch(reports: Reports) -> None:
    class Falls:
        def __del__(self) -> None:
            fail()

    Falls()
    assert [name for name, _ in reports] == ["LookupError"]
