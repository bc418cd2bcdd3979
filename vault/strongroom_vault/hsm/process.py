"""One worker process as the vault sees it: started, asked, killed."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError, StrongroomVaultError
from strongroom_vault.hsm.framing import LENGTH_SIZE, FrameError, body_size, decode_answer, frame
from strongroom_vault.hsm.jobs import Failed, Hello, Ready

if TYPE_CHECKING:
    from strongroom_vault.hsm.jobs import Answer, Job

START_TIMEOUT: Final = 60.0
"""Seconds for a worker to start, open the token and pass its known answers."""


class WorkerLost(StrongroomVaultError):
    """The worker died, hung or answered nonsense, and has been killed."""


class WorkerRefused(OperatorError):
    """The worker could not open the token. `is_final` when another would fail the same way."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.problem)
        self.is_final = failed.is_final


class _Pipe(asyncio.Protocol):
    """Our end of the pipe: one frame out, one frame back."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self.is_lost = asyncio.Event()
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- narrows the type
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._answer is None or self._answer.done():
            self._transport.abort()  # nobody asked
            return
        try:
            body = self._whole_body()
        except FrameError as error:
            self._answer.set_exception(error)
            return
        if body is not None:
            self._answer.set_result(body)
            self._received.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or EOFError("the worker has closed its end"))

    async def exchange(self, message: bytes) -> bytes:
        """Send a frame and return the body of the one that comes back."""
        if self._transport.is_closing():
            raise EOFError("the pipe is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._answer

    def close(self) -> None:
        """Close our end, which ends the worker."""
        self._transport.close()

    def _whole_body(self) -> bytes | None:
        """Return the body of the frame once all of it is there.

        Raises:
            FrameError: what was received is no frame.
        """
        if len(self._received) < LENGTH_SIZE:
            return None
        size = LENGTH_SIZE + body_size(bytes(self._received[:LENGTH_SIZE]))
        if len(self._received) > size:
            raise FrameError("more than one answer")
        return bytes(self._received[LENGTH_SIZE:]) if len(self._received) == size else None


class WorkerProcess:
    """A process that holds one token session. One call at a time."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: _Pipe) -> None:
        self._process = process
        self._pipe = pipe
        self.calls = 0
        self.is_retired = False

    @classmethod
    async def start(cls, hello: Hello) -> tuple[WorkerProcess, Ready]:
        """Start a worker and wait until it has opened the token.

        Raises:
            WorkerRefused: it says why it cannot.
            WorkerLost: it died or took too long.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # nothing in the working directory may stand in for a module
                "-m",
                "strongroom_vault.hsm.worker",
                str(theirs.fileno()),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        _, pipe = await asyncio.get_running_loop().create_connection(_Pipe, sock=ours)
        worker = cls(process, pipe)
        answer = await worker.call(hello, START_TIMEOUT)
        if isinstance(answer, Ready):
            return worker, answer
        await worker.kill()
        if isinstance(answer, Failed):
            raise WorkerRefused(answer)
        raise WorkerLost("the worker's first answer is none to Hello")

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def call(self, job: Job, timeout: float) -> Answer:  # noqa: ASYNC109 -- it ends in a kill
        """Ask, and wait for the answer at most `timeout` seconds.

        Raises:
            WorkerLost: it died, hung or answered nonsense; it is killed.
        """
        self.calls += 1
        try:
            async with asyncio.timeout(timeout):
                return decode_answer(await self._pipe.exchange(frame(job)))
        except (TimeoutError, EOFError, OSError, FrameError) as error:
            await self.kill()
            raise WorkerLost(f"{type(error).__name__} in a call") from error
        except asyncio.CancelledError:
            self._process.kill()
            raise

    async def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._pipe.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def ended(self) -> None:
        """Wait until the pipe is closed, by whichever side."""
        await self._pipe.is_lost.wait()

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()

    async def retire(self) -> None:
        """Let the process end by itself: it does when the pipe does."""
        self._pipe.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
