"""Messages on the pipe between the vault and a worker: a length of 4 bytes, then msgpack.

The vault sends some jobs in one frame; the worker answers each in a frame of its own, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from strongroom_vault.errors import StrongroomVaultError
from strongroom_vault.hsm.jobs import Answer, Job

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket

LENGTH_SIZE: Final = 4
MAX_SIZE: Final = 16 * 1024 * 1024
"""More than the longest message, which names every resident key of a token."""
READ_SIZE: Final = 64 * 1024

_encode = msgspec.msgpack.Encoder().encode
_jobs_decoder: Final = msgspec.msgpack.Decoder(tuple[Job, ...])
_answer_decoder: Final = msgspec.msgpack.Decoder(Answer)


class FrameError(StrongroomVaultError):
    """The other side sent what is no message."""


def frame(message: Sequence[Job] | Answer) -> bytes:
    """Return jobs, or an answer, as they go over the pipe."""
    body = _encode(message)
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def first_body(received: bytes | bytearray) -> bytes | None:
    """Return the body of the first frame in what was received, None until all of it is there.

    Raises:
        FrameError: the frame is larger than any message.
    """
    if len(received) < LENGTH_SIZE:
        return None
    end = LENGTH_SIZE + int.from_bytes(received[:LENGTH_SIZE], "big")
    if end > LENGTH_SIZE + MAX_SIZE:
        raise FrameError(f"a message of {end - LENGTH_SIZE} bytes")
    return bytes(received[LENGTH_SIZE:end]) if len(received) >= end else None


def decode_answer(body: bytes) -> Answer:
    """Return the answer, strictly typed.

    Raises:
        FrameError: it is none.
    """
    try:
        answer: Answer = _answer_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error)) from error
    return answer


def receive_jobs(pipe: socket) -> tuple[Job, ...]:
    """Return the next jobs; none when the vault has closed the pipe or is gone.

    The vault sends no jobs before the last ones are answered, so what comes is one frame.
    """
    received = b""
    while (body := first_body(received)) is None:
        try:
            part = pipe.recv(READ_SIZE)
        except ConnectionResetError:  # the vault was killed before it had read all
            part = b""
        if not part:
            return ()
        received += part
    jobs: tuple[Job, ...] = _jobs_decoder.decode(body)
    return jobs
