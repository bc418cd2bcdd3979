"""Messages on the pipe between the vault and a worker: a length of 4 bytes, then msgpack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from strongroom_vault.errors import StrongroomVaultError
from strongroom_vault.hsm.jobs import Answer, Job

if TYPE_CHECKING:
    from socket import socket

LENGTH_SIZE: Final = 4
MAX_SIZE: Final = 64 * 1024

_encode = msgspec.msgpack.Encoder().encode
_job_decoder: Final = msgspec.msgpack.Decoder(Job)
_answer_decoder: Final = msgspec.msgpack.Decoder(Answer)


class FrameError(StrongroomVaultError):
    """The other side sent what is no message."""


def frame(message: Job | Answer) -> bytes:
    """Return the message as it goes over the pipe."""
    body = _encode(message)
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def body_size(length: bytes) -> int:
    """Return how many bytes follow a length.

    Raises:
        FrameError: more than any message has.
    """
    size = int.from_bytes(length, "big")
    if size > MAX_SIZE:
        raise FrameError(f"a message of {size} bytes")
    return size


def decode_answer(body: bytes) -> Answer:
    """Return the answer, strictly typed.

    Raises:
        FrameError: it is none.
    """
    try:
        answer: Answer = _answer_decoder.decode(body)
    except msgspec.DecodeError as error:
        raise FrameError(str(error)) from error
    return answer


def receive_job(pipe: socket) -> Job | None:
    """Return the next job, or None when the vault has closed the pipe or is gone."""
    length = _receive(pipe, LENGTH_SIZE)
    body = _receive(pipe, body_size(length)) if length else b""
    job: Job | None = _job_decoder.decode(body) if body else None
    return job


def _receive(pipe: socket, size: int) -> bytes:
    """Return exactly `size` bytes, or none at the end of the stream."""
    received = b""
    while len(received) < size:
        part = pipe.recv(size - len(received))
        if not part:
            return b""
        received += part
    return received
