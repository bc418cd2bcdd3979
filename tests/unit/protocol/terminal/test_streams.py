"""A stream is written whole or raises, and stderr never raises. With a shell: in integration/."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from strongroom_protocol.terminal import streams

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends; a test may have closed them."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with suppress(OSError):
                os.close(end)


def test_all_is_written_at_once() -> None:
    with pipe() as (reader, writer), streams.Whole(writer, "w", closefd=False) as whole:
        assert whole.write(b"some text") == 9
        assert os.read(reader, 100) == b"some text"


def test_a_full_descriptor_that_does_not_block_is_an_error_with_the_streams_name() -> None:
    with pipe() as (_, writer), streams.Whole(writer, "w", closefd=False) as whole:
        os.set_blocking(writer, False)
        with pytest.raises(BlockingIOError) as full:
            whole.write(bytes(1024 * 1024))
        assert full.value.filename == "stdout"


def test_a_reader_who_has_left_is_an_error_with_the_streams_name() -> None:
    with pipe() as (reader, writer), streams.Whole(writer, "w", closefd=False) as whole:
        os.close(reader)
        with pytest.raises(BrokenPipeError) as broken:
            whole.write(b"x")
        assert broken.value.filename == "stdout"


def test_stderr_takes_what_nobody_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with pipe() as (reader, writer):
        monkeypatch.setattr(streams, "_STDERR", writer)
        monkeypatch.setattr(sys, "stderr", None)  # as where the shell has closed it
        stderr = streams.unfailing_stderr()
        assert stderr.write("before\udc80") == 7
        assert os.read(reader, 100) == b"before\\udc80"
        os.close(reader)
        assert stderr.write("after") == 5
        assert stderr.errors == "backslashreplace"


def test_a_stream_that_leads_nowhere_is_known() -> None:
    with open(os.devnull, encoding="utf-8") as closed_one:  # noqa: PTH123 -- as `prepare` opens it
        assert not streams.can_be_written(closed_one)
    with pipe() as (_, writer), open(writer, "w", encoding="utf-8", closefd=False) as text:
        assert streams.can_be_written(text)


def test_streams_of_a_test_or_a_library_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that somebody put in the place of the process's own."""
    ours = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", ours[0])
    monkeypatch.setattr(sys, "stderr", ours[1])
    monkeypatch.setattr(sys, "stdin", None)
    streams.prepare()
    assert (sys.stdout, sys.stderr) == ours
    assert sys.stdin.read() == ""
    sys.stdin.close()
