"""Frames on the pipe: whole or not yet, strictly typed, and never larger than a message can be."""

from __future__ import annotations

from socket import socketpair

import pytest

from strongroom_vault.hsm.framing import (
    LENGTH_SIZE,
    MAX_SIZE,
    FrameError,
    decode_answer,
    first_body,
    frame,
    receive_jobs,
)
from strongroom_vault.hsm.jobs import DestroyOprfKey, Failed, ListWrapKeys, OprfKeys

JOBS = (ListWrapKeys(), DestroyOprfKey(b"k" * 33))


def test_a_frame_is_its_length_and_its_body() -> None:
    sent = frame(OprfKeys((b"a", b"b")))
    body = first_body(sent)
    assert body is not None
    assert sent == len(body).to_bytes(LENGTH_SIZE, "big") + body
    assert decode_answer(body) == OprfKeys((b"a", b"b"))


def test_a_frame_is_read_once_all_of_it_is_there() -> None:
    sent = frame(Failed("?"))
    assert [first_body(sent[:end]) for end in range(len(sent))] == [None] * len(sent)
    assert first_body(sent + b"more") == sent[LENGTH_SIZE:]


def test_a_giant_is_refused_by_its_length_alone() -> None:
    assert first_body(MAX_SIZE.to_bytes(LENGTH_SIZE, "big")) is None
    with pytest.raises(FrameError):
        first_body((MAX_SIZE + 1).to_bytes(LENGTH_SIZE, "big"))


@pytest.mark.parametrize("body", [b"", b"\xc1", frame(JOBS)[LENGTH_SIZE:], b"\x80"])
def test_what_is_not_an_answer_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        decode_answer(body)


def test_jobs_arrive_whole_however_they_are_cut_and_then_the_pipe_ends() -> None:
    ours, theirs = socketpair()
    with theirs:
        with ours:
            ours.sendall(frame(JOBS))
            assert receive_jobs(theirs) == JOBS
            ours.sendall(frame(JOBS)[:-1])
        assert receive_jobs(theirs) == ()  # it ended inside a frame
