"""The token workers: hands jobs to idle ones, replaces those that die, hang or grow old.

Jobs that wait are shared out among the workers, some to each at a time, so that a busy vault wakes
a worker once for all of them.

A call that a worker leaves unanswered ends in HsmUnavailable; nothing of an answer has left the
vault then, so the caller may give the attempt back. A job once begun is awaited to its end even if
its caller goes away, so that no answer meets the wrong caller.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, overload

import structlog

from strongroom_vault.errors import HsmUnavailable, KeyNotFound, OperatorError, WrongPin
from strongroom_vault.hsm.jobs import (
    AdvanceAnchor,
    AnchorIs,
    Answer,
    CreateRegistrationResponse,
    DestroyOprfKey,
    DestroyWrapKeys,
    Failed,
    GeneratedKE2,
    GenerateKE2,
    Hello,
    ListOprfKeys,
    ListWrapKeys,
    MakeWrapKey,
    NewRegistration,
    OprfKeys,
    ReadAnchor,
    Ready,
    Request,
    Rewrap,
    Rewrapped,
    WrapKeys,
)
from strongroom_vault.hsm.process import WorkerLost, WorkerProcess, WorkerRefused
from strongroom_vault.platform import traces

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from strongroom_vault.settings.token_settings import TokenSettings

log = structlog.get_logger()

CALL_TIMEOUT: Final = 10.0
"""Seconds that one call of the token may take."""
MAX_CALLS: Final = 20_000
"""SoftHSM never frees destroyed session objects; a worker is replaced after so many calls."""
MAX_WAITING: Final = 1024
MAX_TOGETHER: Final = 4
"""So many jobs, if so many wait, are handed to a worker at once. One that dies loses them all."""
RETRY_AFTER: Final = 1.0
RENEW_AT_MOST_EVERY: Final = 60.0
"""Seconds: whoever has a key that is gone from the token does not keep the workers starting."""
BACK_OFF: Final = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each try to start a worker again; the last one stands for all later ones."""

_ANSWERS: Final[dict[type[Request], type[Answer]]] = {
    CreateRegistrationResponse: NewRegistration,
    GenerateKE2: GeneratedKE2,
    DestroyOprfKey: OprfKeys,
    ListOprfKeys: OprfKeys,
    ListWrapKeys: WrapKeys,
    MakeWrapKey: WrapKeys,
    DestroyWrapKeys: WrapKeys,
    Rewrap: Rewrapped,
    ReadAnchor: AnchorIs,
    AdvanceAnchor: AnchorIs,
}


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A job, and where its caller waits. Times are those of the event loop."""

    job: Request
    outcome: asyncio.Future[Answer]
    until: float
    began: float = field(default_factory=time.perf_counter)


class TokenPool:
    """Token workers in processes of their own. Owned by one event loop."""

    def __init__(
        self,
        settings: TokenSettings,
        *,
        workers: int = 1,
        labels: tuple[str, ...] = (),
        call_timeout: float = CALL_TIMEOUT,
        max_calls: int = MAX_CALLS,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._hello = Hello(settings, labels)
        self.workers = workers
        self._call_timeout = call_timeout
        self._max_calls = max_calls
        self._max_waiting = max_waiting
        self._idle: list[WorkerProcess] = []
        self._queue: deque[_Waiting] = deque()
        self._handing_out: asyncio.Handle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._alive: set[WorkerProcess] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watching: set[asyncio.Task[None]] = set()
        self._first: Ready | None = None
        self._refused: str | None = None
        self._is_closing = False
        self._generation = 0
        self._starting = asyncio.Lock()
        self._renewing = asyncio.Lock()
        self._renewable_at = 0.0
        self.replaced = 0
        """Workers that were lost and have successors; those that grew old do not count."""
        self.renewed = 0
        """Workers that grew old and have successors."""
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.job_s: defaultdict[str, float] = defaultdict(float)

    async def start(self) -> Ready:
        """Start all workers, one after the other.

        So a wrong PIN is tried only once; and SoftHSM does not always open a token that eight
        processes open at the same moment (5 starts of 12 failed).

        Raises:
            OperatorError: a worker cannot open the token, and says why.
        """
        try:
            self._first = await self._start_worker()
            for _ in range(self.workers - 1):
                await self._start_worker()
        except (WorkerRefused, WorkerLost) as error:
            await self.close()
            kind = OperatorError if self._refused is None else WrongPin
            hint = error.hint if isinstance(error, WorkerRefused) else ""
            raise kind(f"the token cannot be used: {error}", hint) from error
        return self._first

    @property
    def ready(self) -> int:
        """How many workers have an open session."""
        return len(self._alive)

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether any worker has an open session."""
        return bool(self._alive) and not self._is_closing

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return [worker.pid for worker in self._alive]

    @overload
    async def run(self, job: CreateRegistrationResponse) -> NewRegistration: ...
    @overload
    async def run(self, job: GenerateKE2) -> GeneratedKE2: ...
    @overload
    async def run(self, job: DestroyOprfKey | ListOprfKeys) -> OprfKeys: ...
    @overload
    async def run(self, job: ListWrapKeys | MakeWrapKey | DestroyWrapKeys) -> WrapKeys: ...
    @overload
    async def run(self, job: Rewrap) -> Rewrapped: ...
    @overload
    async def run(self, job: ReadAnchor | AdvanceAnchor) -> AnchorIs: ...
    async def run(self, job: Request) -> Answer:
        """Have the job done by the next idle worker. Moves of the anchor go before all others.

        Raises:
            HsmUnavailable: no worker was free in time, or it did not answer.
        """
        is_anchor = isinstance(job, AdvanceAnchor)
        if self._is_closing or (len(self._queue) >= self._max_waiting and not is_anchor):
            raise self._unavailable(job, "too many requests wait for the token")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(job, loop.create_future(), loop.time() + self._call_timeout)
        if is_anchor:
            self._queue.appendleft(waiting)  # a whole commit waits for it
        else:
            self._queue.append(waiting)
        self._hand_out_soon()
        try:
            with traces.span("token", job=type(job).__name__):
                return await waiting.outcome
        finally:
            if waiting.outcome.cancelled() and waiting in self._queue:
                self._queue.remove(waiting)

    async def renew(self) -> None:
        """Replace every worker by one that starts now, and wait until the old ones are gone.

        Raises:
            HsmUnavailable: a worker does not start; the old ones that are left go on.
        """
        async with self._renewing:
            await self._renew()

    def renew_soon(self) -> None:
        """Replace every worker without waiting for it, because a record's key was not found.

        Not again within RENEW_AT_MOST_EVERY.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._renewable_at and not self._is_closing:
            self._renewable_at = now + RENEW_AT_MOST_EVERY
            log.error("the token does not find a record's key; its sessions are opened anew")
            self._spawn(self._renew_if_possible())

    async def _renew_if_possible(self) -> None:
        try:
            await self.renew()
        except HsmUnavailable as error:
            log.warning("the token workers are not renewed", problem=str(error))

    async def _renew(self) -> None:
        self._generation += 1
        for worker in list(self._alive):
            if worker not in self._alive:
                continue  # lost meanwhile, and replaced
            if worker.succession is not None and self._refused is None:
                await self._until_succeeded(worker, worker.succession)
            else:
                await self._start_in_place_of(worker)
            await worker.wait()

    async def _until_succeeded(self, worker: WorkerProcess, succession: asyncio.Task[None]) -> None:
        """Wait for the one that takes an old worker's place already.

        Raises:
            HsmUnavailable: it does not come, for the vault closes or the PIN is refused.
        """
        await asyncio.wait([succession])
        if worker in self._alive:
            raise HsmUnavailable("an old token worker has no successor", RETRY_AFTER)

    async def _start_in_place_of(self, worker: WorkerProcess) -> None:
        """Start a worker and let the other end.

        Raises:
            HsmUnavailable: it does not start; the other goes on, or has a successor if it died.
        """
        had, worker.has_successor = worker.has_successor, True  # one is enough
        try:
            await self._start_worker()
        except (WorkerRefused, WorkerLost) as error:
            worker.has_successor = had
            if worker not in self._alive:
                self._spawn(self._replace_lost())
            raise HsmUnavailable(str(error), RETRY_AFTER) from error
        self._alive.discard(worker)
        worker.is_retired = True
        self._retire_idle()

    def _retire_idle(self) -> None:
        """Let workers that are retired and idle end now."""
        idle, self._idle = self._idle, []
        for worker in idle:
            self._put(worker)

    def _put(self, worker: WorkerProcess) -> None:
        if worker.is_retired:
            self._spawn(worker.retire())
        else:
            self._idle.append(worker)
            self._hand_out_soon()

    async def close(self) -> None:
        """Wait for the calls under way, then end the workers."""
        self._is_closing = True
        for waiting in self._queue:
            self._refuse(waiting, "the vault is going down")
        self._queue.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(worker.retire() for worker in self._alive))
        self._alive.clear()

    def _hand_out_soon(self) -> None:
        """Hand out once all that is ready to ask has asked."""
        loop = asyncio.get_running_loop()
        if self._handing_out is None:
            self._handing_out = loop.call_soon(self._hand_out)
        if self._giving_up is None and self._queue:
            first = min(waiting.until for waiting in self._queue)
            self._giving_up = loop.call_at(first, self._give_up)

    def _hand_out(self) -> None:
        """Share out the jobs that wait among the idle workers."""
        self._handing_out = None
        while self._idle and self._queue:
            share = -(-len(self._queue) // max(1, len(self._alive)))
            batch = [self._queue.popleft() for _ in range(min(share, MAX_TOGETHER))]
            self._spawn(self._work(self._idle.pop(), batch))

    def _give_up(self) -> None:
        """Refuse the jobs that no worker took in time."""
        now = asyncio.get_running_loop().time()
        late = [waiting for waiting in self._queue if waiting.until <= now]
        self._queue = deque(waiting for waiting in self._queue if waiting.until > now)
        for waiting in late:
            self._refuse(waiting, "no token worker is free")
        self._giving_up = None
        if self._queue:
            self._hand_out_soon()

    async def _work(self, worker: WorkerProcess, batch: Sequence[_Waiting]) -> None:
        """Have a worker do some jobs, and tell their callers: whatever happens, all of them."""
        asked = worker.ask([waiting.job for waiting in batch])
        unanswered = deque(zip(batch, asked, strict=True))
        problem = "its work was cut off"
        try:
            while unanswered:
                waiting, one = unanswered[0]
                answer = await worker.answer(one, self._call_timeout)
                if isinstance(answer, Failed) and answer.is_session_lost:
                    problem = answer.problem
                    return
                unanswered.popleft()
                self._tell(waiting, answer)
        except WorkerLost as error:
            problem = str(error)
        finally:
            if unanswered:
                self._lose(worker, problem)
            else:
                self._release(worker)
            for waiting, _ in unanswered:
                self._refuse(waiting, "the token did not answer")

    def _tell(self, waiting: _Waiting, answer: Answer) -> None:
        """Answer a caller; one that has gone away needs no answer."""
        name = type(waiting.job).__name__
        if not isinstance(answer, _ANSWERS[type(waiting.job)]):
            self._tell_failure(waiting, answer)
            return
        self.jobs[name, "done"] += 1
        self.job_s[name] += time.perf_counter() - waiting.began
        if not waiting.outcome.done():
            waiting.outcome.set_result(answer)

    def _tell_failure(self, waiting: _Waiting, answer: Answer) -> None:
        if isinstance(answer, Failed) and answer.is_not_found:
            self._refuse(waiting, answer.problem, KeyNotFound)
            return
        problem = answer.problem if isinstance(answer, Failed) else "an answer to another job"
        log.error("token failed", problem=problem)
        self._refuse(waiting, "the token failed")

    def _refuse(
        self, waiting: _Waiting, problem: str, kind: type[HsmUnavailable] = HsmUnavailable
    ) -> None:
        error = self._unavailable(waiting.job, problem, kind)
        if not waiting.outcome.done():
            waiting.outcome.set_exception(error)

    def _unavailable(
        self, job: Request, problem: str, kind: type[HsmUnavailable] = HsmUnavailable
    ) -> HsmUnavailable:
        self.jobs[type(job).__name__, "unavailable"] += 1
        return kind(problem, RETRY_AFTER)

    def _release(self, worker: WorkerProcess) -> None:
        """Make a worker idle again; one that is old goes on until its successor is there."""
        if worker.calls >= self._max_calls and not worker.has_successor:
            worker.has_successor = True
            worker.succession = self._spawn(self._succeed(worker))
        self._put(worker)

    def _lose(self, worker: WorkerProcess, problem: str) -> None:
        """Replace a worker that is of no more use."""
        log.error("token worker lost", pid=worker.pid, problem=problem)
        self._alive.discard(worker)
        self._spawn(worker.kill())
        if not (worker.is_retired or worker.has_successor):
            self._spawn(self._replace_lost())

    async def _replace_lost(self) -> None:
        if await self._replace():
            self.replaced += 1

    async def _succeed(self, worker: WorkerProcess) -> None:
        if worker.is_retired or not await self._replace():
            return
        self.renewed += 1
        worker.is_retired = True
        self._alive.discard(worker)
        self._retire_idle()

    async def _replace(self) -> bool:
        """Start a worker; try again, ever more slowly, until it starts or no other ever will.

        Returns:
            Whether it started.
        """
        tries = 0
        while not self._is_closing:
            await asyncio.sleep(BACK_OFF[min(tries, len(BACK_OFF) - 1)])
            tries += 1
            try:
                await self._start_worker()
            except (WorkerRefused, WorkerLost) as error:
                log.warning("token worker does not start", problem=str(error), tries=tries)
                if self._refused is not None:
                    return False
            else:
                log.info("token worker replaced", tries=tries)
                return True
        return False

    async def _start_worker(self) -> Ready:
        """Start a worker, and let it take jobs. One after the other, as in `start`.

        Raises:
            WorkerRefused: it says why it cannot; if another would fail the same way, none is ever
                tried again: a wrong PIN, tried often enough, locks the token.
            WorkerLost: it died or took too long.
        """
        async with self._starting:
            return await self._start_next_worker()

    async def _start_next_worker(self) -> Ready:
        while True:
            if self._refused is not None:
                raise WorkerLost(f"not tried again: {self._refused}")
            if self._is_closing:
                raise WorkerLost("the vault is going down")
            generation = self._generation
            try:
                worker, ready = await WorkerProcess.start(self._hello)
            except WorkerRefused as error:
                if error.is_final:
                    self._refused = str(error)
                raise
            if generation == self._generation:
                break
            await worker.retire()  # it looked at the token before all were to be renewed
        if self._first is not None and ready != self._first:
            await worker.kill()
            raise WorkerLost("the token has other keys than when the vault started")
        self._alive.add(worker)
        self._put(worker)
        self._watch(worker)
        return ready

    def _watch(self, worker: WorkerProcess) -> None:
        """Notice a worker that ends while it is idle, before a caller meets it."""
        task = asyncio.create_task(self._notice(worker))
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    async def _notice(self, worker: WorkerProcess) -> None:
        await worker.ended()
        if worker not in self._idle:
            return  # whoever awaits its answer notices
        self._idle.remove(worker)
        if not (self._is_closing or worker.is_retired):
            self._lose(worker, "it ended while it was idle")

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` in a task that `close` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("internal error", error=type(error).__name__, where="token pool")
