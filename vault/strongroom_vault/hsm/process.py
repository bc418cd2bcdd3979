"""One worker process as the vault sees it: started, asked, killed."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import deque
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final, cast

import structlog

from strongroom_vault.errors import OperatorError, StrongroomVaultError
from strongroom_vault.hsm.framing import LENGTH_SIZE, FrameError, decode_answer, first_body, frame
from strongroom_vault.hsm.jobs import Failed, Hello, Ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_vault.hsm.jobs import Answer, Job

log = structlog.get_logger()

START_TIMEOUT: Final = 60.0
"""Seconds for a worker to start, open the token and pass its known answers."""


LINE_MAX: Final = 4096
"""A longer line of what a worker prints becomes several."""


class WorkerLost(StrongroomVaultError):
    """The worker died, hung or answered nonsense, or could not be started."""


class WorkerRefused(OperatorError):
    """The worker could not open the token. `is_final` when another would fail the same way."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.problem, failed.hint)
        self.is_final = failed.is_final


class _Pipe(asyncio.Protocol):
    """Our end of the pipe: jobs out, one frame back for each, in order."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._received = bytearray()
        self._open: deque[asyncio.Future[Answer]] = deque()
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
            self._fail(error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost.set()
        self._fail(exc or EOFError("the worker has closed its end"))

    def ask(self, jobs: Sequence[Job]) -> list[asyncio.Future[Answer]]:
        """Send jobs; the futures become their answers, in order."""
        create_future = asyncio.get_running_loop().create_future
        answers: list[asyncio.Future[Answer]] = [create_future() for _ in jobs]
        self._open.extend(answers)
        if self._transport.is_closing():
            self._fail(EOFError("the pipe is closed"))
        else:
            self._transport.write(frame(jobs))
        return answers

    def close(self) -> None:
        """Close our end, which ends the worker."""
        self._transport.close()

    def _settle(self, answer: Answer) -> None:
        if not self._open:
            raise FrameError("an answer to nothing")
        asked = self._open.popleft()
        if not asked.done():
            asked.set_result(answer)

    def _fail(self, error: Exception) -> None:
        for asked in self._open:
            if not asked.done():
                asked.set_exception(error)
                asked.exception()  # one that nobody awaits any more is no noise
        self._open.clear()


class WorkerProcess:
    """A process that holds one token session and does one job after the other."""

    def __init__(
        self, process: asyncio.subprocess.Process, pipe: _Pipe, printed: asyncio.StreamReader
    ) -> None:
        self._process = process
        self._pipe = pipe
        self._logging = asyncio.create_task(_log_lines(printed, process.pid))
        self.calls = 0
        self.has_successor = False
        self.succession: asyncio.Task[None] | None = None
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
        try:
            answer = await worker.answer(worker.ask((hello,))[0], START_TIMEOUT)
        except WorkerLost:
            await worker.kill()
            raise
        if isinstance(answer, Ready):
            return worker, answer
        await worker.kill()
        if isinstance(answer, Failed):
            raise WorkerRefused(answer)
        raise WorkerLost("the worker's first answer is none to Hello")

    @classmethod
    async def _start(cls) -> WorkerProcess:
        with ExitStack() as undo:
            ours, theirs = socket.socketpair()
            undo.callback(ours.close)
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    "-P",  # nothing in the working directory may stand in for a module
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

    def ask(self, jobs: Sequence[Job]) -> list[asyncio.Future[Answer]]:
        """Send jobs, to be done in order; `answer` awaits each of what this returns, in order."""
        self.calls += len(jobs)
        return self._pipe.ask(jobs)

    async def answer(
        self,
        asked: asyncio.Future[Answer],
        timeout: float,  # noqa: ASYNC109 -- it ends in a kill
    ) -> Answer:
        """Return the answer to a job, which may take `timeout` seconds once its turn has come.

        Raises:
            WorkerLost: it died, hung or answered nonsense; it is to be killed.
        """
        try:
            if not asked.done():
                async with asyncio.timeout(timeout):
                    await asked
            return asked.result()
        except (TimeoutError, EOFError, OSError, FrameError) as error:
            raise WorkerLost(f"{type(error).__name__} in a call") from error

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


async def _log_lines(printed: asyncio.StreamReader, pid: int) -> None:
    """Log what a worker prints: its last words, and whatever a vendor's module has to say."""
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
