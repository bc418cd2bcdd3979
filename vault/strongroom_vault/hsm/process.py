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


class WorkerProcess:
    """A process that holds one token session. One call at a time."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
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
        reader, writer = await asyncio.open_connection(sock=ours)
        worker = cls(process, reader, writer)
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
                self._writer.write(frame(job))
                await self._writer.drain()
                length = await self._reader.readexactly(LENGTH_SIZE)
                return decode_answer(await self._reader.readexactly(body_size(length)))
        except (TimeoutError, EOFError, OSError, FrameError) as error:
            await self.kill()
            raise WorkerLost(f"{type(error).__name__} in a call") from error
        except asyncio.CancelledError:
            self._process.kill()
            raise

    async def kill(self) -> None:
        """End the process at once, whatever it is doing."""
        self._writer.close()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def retire(self) -> None:
        """Let the process end by itself: it does when the pipe does."""
        self._writer.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
