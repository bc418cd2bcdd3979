"""One worker process as the vault sees it: started, given jobs, killed."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from strongroom_vault.errors import OperatorError, StrongroomVaultError
from strongroom_vault.hsm.framing import LENGTH_SIZE, FrameError, decode_answer, first_body, frame
from strongroom_vault.hsm.jobs import Failed, Hello, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_vault.hsm.jobs import AnyAnswer, Job

log = structlog.get_logger()

START_TIMEOUT: Final = 60.0
"""Seconds for a worker to start, open the token and pass its tests."""
LINE_MAX: Final = 4096
"""A longer line that a worker prints is logged as several."""


class WorkerLost(StrongroomVaultError):
    """The worker died, hung, sent something invalid, or could not be started."""


class WorkerRefused(OperatorError):
    """The worker could not open the token. `is_final` if any other would fail the same way."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.problem, failed.hint)
        self.is_final = failed.is_final


class _Pipe(asyncio.Protocol):
    """Our end of the pipe: sends jobs, and receives one frame for each, in order."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._unanswered: deque[asyncio.Future[AnyAnswer]] = deque()
        self.is_lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            while (body := first_body(self._received)) is not None:
                del self._received[: LENGTH_SIZE + len(body)]
                self._settle(decode_answer(body))
        except FrameError as error:
            # After a message that is no answer there is no telling which job the next one answers.
            self._fail(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()
        self._fail(exc or EOFError("the worker has closed its end"))

    def send(self, jobs: Sequence[Job[Any]]) -> list[asyncio.Future[AnyAnswer]]:
        """Send jobs; return a future for the answer to each, in order."""
        create_future = asyncio.get_running_loop().create_future
        answers: list[asyncio.Future[AnyAnswer]] = [create_future() for _ in jobs]
        self._unanswered.extend(answers)
        if self._transport.is_closing():
            self._fail(EOFError("the pipe is closed"))
        else:
            self._transport.write(frame(jobs))
        return answers

    def close(self) -> None:
        """Close our end, which ends the worker."""
        self._transport.close()

    def _settle(self, answer: AnyAnswer) -> None:
        # The worker is out of step: what it sends next may answer another job than we think.
        if not self._unanswered:
            raise FrameError("an answer without a job")
        future = self._unanswered.popleft()
        if not future.done():
            future.set_result(answer)

    def _fail(self, error: Exception) -> None:
        for future in self._unanswered:
            if not future.done():
                future.set_exception(error)
                future.exception()  # asyncio need not log one that nobody awaits any more
        self._unanswered.clear()


class WorkerProcess:
    """A process that holds one token session and does one job after the other.

    `supervisor.py` owns the three attributes on replacement; `replacement` is None in a renewal,
    which waits for the successor itself.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, pipe: _Pipe, printed: asyncio.StreamReader
    ) -> None:
        self._process = process
        self._pipe = pipe
        # Read until its end: a module that prints much would fill the pipe, and hang in a call.
        self._logging = asyncio.create_task(_log_lines(printed, process.pid))
        self.calls = 0
        self.is_being_replaced = False
        self.replacement: asyncio.Task[None] | None = None
        self.is_retired = False

    @classmethod
    async def start(cls, hello: Hello) -> tuple[WorkerProcess, Ready]:
        """Start a worker and wait until it has opened the token.

        Raises:
            WorkerRefused: it says why it cannot.
            WorkerLost: it died or took too long.
        """
        try:
            worker = await cls._start()
        except OSError as error:
            raise WorkerLost(f"cannot be started: {error}") from error
        async with AsyncExitStack() as undo:
            # Also if this start is cut off: a worker that nobody knows of holds a session of the
            # token, and may open it at any moment.
            undo.push_async_callback(worker.kill)
            answer = await worker.answer(worker.send((hello,))[0], START_TIMEOUT)
            if isinstance(answer, Ready):
                undo.pop_all()
                return worker, answer
        if isinstance(answer, Failed):
            raise WorkerRefused(answer)
        raise WorkerLost("the worker did not answer Hello")

    @classmethod
    async def _start(cls) -> WorkerProcess:
        with ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            # Our copy of their end is closed at once: the pipe would stay open when the worker has
            # died, and nobody would notice.
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # no file in the working directory may replace a module
                    "-m",
                    "strongroom_vault.hsm.token.worker",
                    str(theirs.fileno()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.STDOUT,
                    pass_fds=(theirs.fileno(),),
                )
            undo.pop_all()
        _, pipe = await asyncio.get_running_loop().create_connection(_Pipe, sock=ours)
        if process.stdout is None:
            raise RuntimeError("the worker was started with a pipe")
        return cls(process, pipe, process.stdout)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send(self, jobs: Sequence[Job[Any]]) -> list[asyncio.Future[AnyAnswer]]:
        """Send jobs, to be done in order; return a future for `answer` for each, in order."""
        self.calls += len(jobs)
        return self._pipe.send(jobs)

    async def answer(
        self,
        future: asyncio.Future[AnyAnswer],
        timeout: float,  # noqa: ASYNC109 -- it ends in a kill
    ) -> AnyAnswer:
        """Return the answer to a job, which may take `timeout` seconds from now.

        Raises:
            WorkerLost: it died, hung or sent something invalid; it is to be killed.
        """
        try:
            if not future.done():
                async with asyncio.timeout(timeout):
                    await future
            return future.result()
        except (TimeoutError, EOFError, OSError, FrameError) as error:
            raise WorkerLost(f"{type(error).__name__} in a call") from error

    async def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._pipe.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def ended(self) -> None:
        """Wait until either side has closed the pipe."""
        await self._pipe.is_lost.wait()

    async def wait(self) -> None:
        """Wait until the process has ended."""
        await self._process.wait()

    async def retire(self) -> None:
        """Close the pipe, upon which the process ends by itself; kill it if it does not."""
        self._pipe.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


async def _log_lines(printed: asyncio.StreamReader, pid: int) -> None:
    """Log what a worker prints: an uncaught error, or whatever a vendor's module prints."""
    rest = b""
    while part := await printed.read(LINE_MAX):
        *lines, rest = (rest + part).split(b"\n")
        if len(rest) > LINE_MAX:
            lines, rest = [*lines, rest], b""
        _log(lines, pid)
    _log([rest], pid)


def _log(lines: Sequence[bytes], pid: int) -> None:
    for line in lines:
        if text := line.decode(errors="replace").strip():
            log.warning("token worker printed", pid=pid, text=text)
