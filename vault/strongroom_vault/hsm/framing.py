"""Messages on the pipe between the vault and a worker: a length of 4 bytes, then msgpack.

The vault sends one or more jobs in a frame; the worker answers each job in its own frame, in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from strongroom_vault.errors import StrongroomVaultError
from strongroom_vault.hsm.jobs import AnyAnswer, AnyJob

if TYPE_CHECKING:
    from collections.abc import Sequence
    from socket import socket
    from typing import Any

    from strongroom_vault.hsm.jobs import Job

LENGTH_SIZE: Final = 4
MAX_SIZE: Final = 16 * 1024 * 1024
"""Larger than the longest message, a list of every resident key of a token."""
READ_SIZE: Final = 64 * 1024

_encode = msgspec.msgpack.Encoder().encode
_jobs_decoder: Final = msgspec.msgpack.Decoder(tuple[AnyJob, ...])
_answer_decoder: Final = msgspec.msgpack.Decoder(AnyAnswer)


class FrameError(StrongroomVaultError):
    """The other side sent something that is not a message."""


def frame(message: Sequence[Job[Any]] | AnyAnswer) -> bytes:
    """Encode jobs, or one answer, for the pipe."""
    body = _encode(message)
    return len(body).to_bytes(LENGTH_SIZE, "big") + body


def first_body(received: bytes | bytearray) -> bytes | None:
    """Return the body of the first frame received, None while it is incomplete.

    Raises:
        FrameError: the frame is larger than any message can be.
    """
    if len(received) < LENGTH_SIZE:
        return None
    end = LENGTH_SIZE + int.from_bytes(received[:LENGTH_SIZE], "big")
    if end > LENGTH_SIZE + MAX_SIZE:
        raise FrameError(f"a message of {end - LENGTH_SIZE} bytes")
    return bytes(received[LENGTH_SIZE:end]) if len(received) >= end else None


def decode_answer(body: bytes) -> AnyAnswer:
    """Decode an answer, strictly by type.

    Raises:
        FrameError: the body is not an answer.
    """
    try:
        answer: AnyAnswer = _answer_decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(str(error)) from error
    return answer


def receive_jobs(pipe: socket) -> tuple[AnyJob, ...]:
    """Wait for the next jobs; return an empty tuple once the vault has closed the pipe or died.

    The vault sends no jobs before the previous ones are answered, so at most one frame arrives.
    """
    received = b""
    while (body := first_body(received)) is None:
        try:
            part = pipe.recv(READ_SIZE)
        except ConnectionResetError:  # the vault was killed before it had read every answer
            part = b""
        if not part:
            return ()
        received += part
    jobs: tuple[AnyJob, ...] = _jobs_decoder.decode(body)
    return jobs
