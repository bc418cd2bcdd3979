"""What a person reads on a terminal, and what a script reads without one."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import prompts
from strongroom.errors import PasswordRefused

if TYPE_CHECKING:
    from pathlib import Path


def test_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    threading.Timer(0.05, os.write, (writer, b"password\n")).start()
    assert prompts.read_line(reader) == "password"
    os.close(reader)
    os.close(writer)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError) as raised:
        prompts.read_line(folder)
    assert raised.value.filename == f"file descriptor {folder}"
    os.close(folder)
    with open("/dev/zero", "rb") as endless, pytest.raises(PasswordRefused, match="no end"):  # noqa: PTH123
        prompts.read_line(endless.fileno())
