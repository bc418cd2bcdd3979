"""Lines of the log. `tests/integration/test_log_lines.py` has a process that logs all kinds."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from strongroom_vault.platform import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What a log has that is configured for one test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    file = io.StringIO()
    logs.configure(file)
    yield lambda: [json.loads(line) for line in file.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    structlog.reset_defaults()


def test_a_line_is_one_object(lines: Callable[[], list[dict[str, Any]]]) -> None:
    with structlog.contextvars.bound_contextvars(request_id="abcd"):
        structlog.get_logger().info("serving", problem="two\nlines")
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "serving",
        "level": "info",
        "request_id": "abcd",
        "problem": "two\nlines",
    }


def test_a_library_says_each_thing_once_in_a_while(
    lines: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = logging.getLogger("library")
    for number in range(3):
        library.warning("lost connection %d", number)
    library.error("other")
    assert [line["problem"] for line in lines()] == ["lost connection 0", "other"]
    monkeypatch.setattr(logs, "QUIET_S", -1.0)
    library.warning("third")
    library.warning("third")
    assert [line["problem"] for line in lines()][2:] == ["third", "third"]


def test_an_error_of_a_library_is_named_without_its_text(
    lines: Callable[[], list[dict[str, Any]]],
) -> None:
    try:
        dict[str, str]()["a secret"]
    except LookupError:
        logging.getLogger("library").exception("failed\nsecret details")
    (line,) = lines()
    assert (line["name"], line["problem"], line["error"]) == ("library", "failed", "KeyError")
