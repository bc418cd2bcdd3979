"""Ctrl-C while a command loads ends it without a word; afterwards it is Python's again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.terminal.loading import INTERRUPTED, Loading

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = """
import os, signal
from strongroom_protocol.terminal.loading import Loading
signal.signal(signal.SIGINT, {before})
with Loading("program", "cli", ["click"]):
    os.kill(os.getpid(), signal.SIGINT)
print("loaded")
"""


@pytest.fixture(autouse=True)
def sigint() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run(before: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        check=False,
        capture_output=True,
        text=True,
    )


def test_ctrl_c_ends_what_loads_without_a_word() -> None:
    done = run("signal.default_int_handler")
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


def test_an_ignored_ctrl_c_stays_ignored() -> None:
    done = run("signal.SIG_IGN")
    assert (done.returncode, done.stdout, done.stderr) == (0, "loaded\n", "")


def test_once_it_is_loaded_ctrl_c_is_an_exception_again() -> None:
    with Loading("program", "cli", ["click"]):
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_missing_extra_is_named_with_how_to_install_it() -> None:
    with pytest.raises(SystemExit) as ended, Loading("strongroom", "cli", ["click"]):
        raise ModuleNotFoundError(name="click")
    message = str(ended.value.code)
    assert message.startswith("strongroom: ")
    assert "(click is missing)" in message
    assert message.endswith("pip install 'strongroom[cli]'")


@pytest.mark.parametrize("name", ["strongroom.nosuch", None])
def test_any_other_missing_module_is_a_fault(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError), Loading("strongroom", "cli", ["click"]):
        raise ModuleNotFoundError(name=name)
