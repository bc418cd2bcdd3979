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
    """Return the next job, or None when the vault has closed the pipe or is gone.

    The vault sends no job before the last one is answered, so what comes is one frame.
    """
    received = b""
    while len(received) < LENGTH_SIZE or len(received) < LENGTH_SIZE + body_size(
        received[:LENGTH_SIZE]
    ):
        part = pipe.recv(MAX_SIZE)
        if not part:
            return None
        received += part
    job: Job = _job_decoder.decode(received[LENGTH_SIZE:])
    return job
