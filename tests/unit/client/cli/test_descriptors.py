"""What a script passes through file descriptors: one line for a password, and nothing dropped."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from strongroom.cli import descriptors
from strongroom.cli.descriptors import BadDescriptor, NotOneLine, read_line, read_password
from strongroom.errors import PasswordRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def piped() -> Iterator[Callable[[bytes], int]]:
    """A pipe that gives some bytes and ends, as the shell passes it on."""
    opened: list[int] = []

    def make(data: bytes) -> int:
        reading, writing = os.pipe()
        opened.append(reading)
        os.set_inheritable(reading, True)  # noqa: FBT003
        os.write(writing, data)
        os.close(writing)
        return reading

    yield make
    for descriptor in opened:
        os.close(descriptor)


def test_a_descriptor_that_does_not_wait_is_waited_for() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    threading.Timer(0.05, os.write, (writer, b"password\n")).start()
    assert read_password(reader) == "password"  # and its writer may leave it open
    os.close(reader)
    os.close(writer)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(IsADirectoryError) as raised:
        read_password(folder)
    assert raised.value.filename == f"file descriptor {folder}"
    os.close(folder)
    with open("/dev/zero", "rb") as endless, pytest.raises(PasswordRefused, match="no end"):  # noqa: PTH123
        read_password(endless.fileno())


@pytest.mark.parametrize(
    "data", [b"a password", b"a password\n", b"a password\r\n", b"a password\n\n\r\n"]
)
def test_one_line_is_the_password(piped: Callable[[bytes], int], data: bytes) -> None:
    assert read_password(piped(data)) == "a password"


@pytest.mark.parametrize(
    "data", [b"one\ntwo", b"one\n\ntwo\n", b"\none\n", b"one\n two", b"one\n" + b"\n" * 65536]
)
def test_more_than_one_line_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(data)
    with path.open("rb", buffering=0) as file, pytest.raises(NotOneLine, match="one line") as told:
        read_password(file.fileno())
    assert "No attempt was used" in told.value.hint


def test_two_lines_in_turn_are_two_passwords(piped: Callable[[bytes], int]) -> None:
    descriptor = piped(b"old\nnew\n")
    assert read_password(descriptor, is_alone=False) == "old"
    assert read_password(descriptor) == "new"
    assert read_line(descriptor) == ""


def test_what_is_no_text_is_refused(piped: Callable[[bytes], int]) -> None:
    with pytest.raises(PasswordRefused, match="not UTF-8"):
        read_password(piped(b"\xff\xfep\0\n"))


def test_a_descriptor_is_looked_at_before_anything_is_done(piped: Callable[[bytes], int]) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)  # noqa: FBT003
    descriptors.check(None, piped(b""))
    descriptors.check_output(writing)
    for descriptor, problem in (
        (writing, "only open for writing"),
        (reading, "is not open"),  # this program's own
        (987, "is not open"),
        (10**30, "is not open"),
    ):
        with pytest.raises(BadDescriptor, match=problem):
            descriptors.check(descriptor)
    with pytest.raises(BadDescriptor, match="only open for reading"):
        descriptors.check_output(piped(b""))
    os.close(reading)
    os.close(writing)
