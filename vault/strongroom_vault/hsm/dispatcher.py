"""Hands jobs to the token workers, and their answers to the callers.

The steps of a job are numbered where they happen: queue, share out, refuse in time, await, answer.
A job that a worker leaves unanswered ends in HsmUnavailable. Nothing of an answer has left the
vault then, so the caller may give the attempt back.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from strongroom_vault.errors import HsmUnavailable, KeyNotFound
from strongroom_vault.hsm.jobs import AdvanceAnchor, Answer, Failed, Hello
from strongroom_vault.hsm.process import WorkerLost
from strongroom_vault.hsm.supervisor import RETRY_AFTER, Supervisor
from strongroom_vault.platform import traces
from strongroom_vault.platform.tasks import TaskGroup

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom_vault.hsm.jobs import AnyAnswer, Job, Ready
    from strongroom_vault.hsm.process import WorkerProcess
    from strongroom_vault.settings.token_settings import TokenSettings

log = structlog.get_logger()

CALL_TIMEOUT: Final = 10.0
"""Seconds that a job may wait for a worker, and then take in the token."""
MAX_CALLS: Final = 20_000
"""SoftHSM never frees destroyed session objects; a worker is replaced after so many jobs."""
MAX_WAITING: Final = 1024
"""The most jobs in the queue; more are refused at once."""
MAX_BATCH: Final = 4
"""The most jobs that a worker gets at once. One that dies loses them all."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A job, and where its caller waits. `deadline` is in the event loop's time."""

    job: Job[Any]
    outcome: asyncio.Future[Any]
    deadline: float
    began: float = field(default_factory=time.perf_counter)


class _Answers:
    """Answers callers, and counts how their jobs ended."""

    def __init__(self) -> None:
        self.jobs: Counter[tuple[str, str]] = Counter()
        self.job_s: defaultdict[str, float] = defaultdict(float)

    def answer(self, waiting: _Waiting, answer: AnyAnswer) -> None:
        """Answer a caller with what a worker has answered."""
        # Compared with what the job asks for: a worker that answers something else must not be able
        # to hand a caller a message of another kind.
        if not isinstance(answer, waiting.job.answer_type):
            self._answer_failure(waiting, answer)
            return
        kind = waiting.job.kind
        self.jobs[kind, "done"] += 1
        self.job_s[kind] += time.perf_counter() - waiting.began
        if not waiting.outcome.done():  # done: the caller has left
            waiting.outcome.set_result(answer)

    def refuse(
        self, waiting: _Waiting, problem: str, kind: type[HsmUnavailable] = HsmUnavailable
    ) -> None:
        """Refuse a job that waits, or that no worker has answered."""
        error = self.unavailable(waiting.job, problem, kind)
        if not waiting.outcome.done():
            waiting.outcome.set_exception(error)

    def unavailable(
        self, job: Job[Any], problem: str, kind: type[HsmUnavailable] = HsmUnavailable
    ) -> HsmUnavailable:
        """Count a job that is not done; return the error for its caller."""
        self.jobs[job.kind, "unavailable"] += 1
        return kind(problem, RETRY_AFTER)

    def _answer_failure(self, waiting: _Waiting, answer: AnyAnswer) -> None:
        if isinstance(answer, Failed) and answer.is_not_found:
            # Not logged as a fault: the key may have been destroyed since the job was queued. The
            # caller looks at the record, and has new sessions opened if the key must be there.
            self.refuse(waiting, answer.problem, KeyNotFound)
            return
        problem = answer.problem if isinstance(answer, Failed) else "an answer to another job"
        log.error("token failed", problem=problem)
        self.refuse(waiting, "the token failed")


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
        self._supervisor = Supervisor(
            Hello(settings, labels),
            workers=workers,
            max_calls=max_calls,
            on_idle=self._hand_out_soon,
        )
        self._call_timeout = call_timeout
        self._max_waiting = max_waiting
        self._queue: deque[_Waiting] = deque()
        self._batches = TaskGroup("token pool")
        self._handing_out: asyncio.Handle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self._answers = _Answers()
        self.jobs = self._answers.jobs
        """How many jobs ended, by kind and outcome."""
        self.job_s = self._answers.job_s
        """How many seconds jobs took, waiting included, by kind."""

    async def start(self) -> Ready:
        """Start all workers; see `Supervisor.start`."""
        return await self._supervisor.start()

    async def renew(self) -> None:
        """Replace every worker; see `Supervisor.renew`."""
        await self._supervisor.renew()

    def renew_soon(self) -> None:
        """Replace every worker without waiting for it; see `Supervisor.renew_soon`."""
        self._supervisor.renew_soon()

    async def close(self) -> None:
        """Refuse what waits, await what has begun, then end the workers."""
        # Before anything is awaited: from here on `run` refuses, and no worker starts that nobody
        # would end.
        self._supervisor.stop()
        for waiting in self._queue:
            self._answers.refuse(waiting, "the vault is shutting down")
        self._queue.clear()
        # Before the workers end: a job that has begun belongs to an attempt that is charged.
        await self._batches.drain()
        await self._supervisor.close()

    @property
    def workers(self) -> int:
        """How many workers there should be."""
        return self._supervisor.workers

    @property
    def ready(self) -> int:
        """How many workers have an open session."""
        return self._supervisor.ready

    @property
    def waiting(self) -> int:
        """How many jobs wait for a worker."""
        return len(self._queue)

    @property
    def healthy(self) -> bool:
        """Whether any worker has an open session."""
        return self.ready > 0 and not self._supervisor.is_stopping

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers."""
        return self._supervisor.pids

    @property
    def replaced(self) -> int:
        """How many workers were lost and have successors; those that grew old do not count."""
        return self._supervisor.replaced

    @property
    def renewed(self) -> int:
        """How many workers grew old and have successors."""
        return self._supervisor.renewed

    async def run(self, job: Job[Answer]) -> Answer:
        """Have a job done by the next idle worker.

        Raises:
            HsmUnavailable: no worker was free in time, or it did not answer.
            KeyNotFound: the token does not find the resident key that the job names.
        """
        if self._supervisor.is_stopping:
            raise self._answers.unavailable(job, "the vault is shutting down")
        # A move of the anchor is let in although the queue is full: it is the only one at a time,
        # and the callers whose commit it anchors hold their places already.
        is_urgent = isinstance(job, AdvanceAnchor)
        if len(self._queue) >= self._max_waiting and not is_urgent:
            raise self._answers.unavailable(job, "too many requests wait for the token")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Answer] = loop.create_future()
        waiting = _Waiting(job, outcome, loop.time() + self._call_timeout)
        # 1. Queue; a move of the anchor goes to the front. A whole commit waits for it: behind the
        #    evaluations, every attempt would wait for a full queue twice.
        if is_urgent:
            self._queue.appendleft(waiting)
        else:
            self._queue.append(waiting)
        self._hand_out_soon()
        try:
            with traces.span("token", job=job.kind):
                return await outcome
        finally:
            # The caller has left and no worker has the job: the token need not do it.
            if outcome.cancelled() and waiting in self._queue:
                self._queue.remove(waiting)

    def _hand_out_soon(self) -> None:
        """Hand out in the next turn of the loop, and look for jobs that have waited too long."""
        # Not at once: by the next turn every caller that is ready has queued its job, and a worker
        # is woken once for all that it gets, which costs less than once for each.
        loop = asyncio.get_running_loop()
        if self._handing_out is None:
            self._handing_out = loop.call_soon(self._hand_out)
        # One timer, for the first deadline; `_give_up` sets the next.
        if self._giving_up is None and self._queue:
            first = min(waiting.deadline for waiting in self._queue)
            self._giving_up = loop.call_at(first, self._give_up)

    def _hand_out(self) -> None:
        """Share out the jobs that wait among the idle workers."""
        # 2. By all workers that are alive, not by those that are idle now: the others will be in a
        #    moment, and the first one must not have taken their share by then.
        self._handing_out = None
        while self._queue and (worker := self._supervisor.take()) is not None:
            share = -(-len(self._queue) // max(1, self.ready))
            batch = [self._queue.popleft() for _ in range(min(share, MAX_BATCH))]
            self._batches.start(self._work(worker, batch))

    def _give_up(self) -> None:
        """Refuse the jobs that no worker has taken in time."""
        # 3. Only what is still queued. The token has not seen it, so the charge can be given back;
        #    a job that a worker has taken gets its time from there (`_work`).
        now = asyncio.get_running_loop().time()
        late = [waiting for waiting in self._queue if waiting.deadline <= now]
        self._queue = deque(waiting for waiting in self._queue if waiting.deadline > now)
        for waiting in late:
            self._answers.refuse(waiting, "no token worker is free")
        self._giving_up = None
        if self._queue:
            self._hand_out_soon()

    async def _work(self, worker: WorkerProcess, batch: Sequence[_Waiting]) -> None:
        """Have a worker do some jobs, and answer all of their callers, whatever happens."""
        # 4. In a task of the pool, which no caller can cancel: a worker is idle only once it has
        #    answered everything. Lent any earlier, its next job would wait behind the last one, run
        #    out of time, and cost a good worker.
        answers = worker.send([waiting.job for waiting in batch])
        unanswered = deque(zip(batch, answers, strict=True))
        problem = "its work was cancelled"
        try:
            while unanswered:
                waiting, future = unanswered[0]
                answer = await worker.answer(future, self._call_timeout)
                if isinstance(answer, Failed) and answer.is_session_lost:
                    problem = answer.problem
                    return  # this job counts as unanswered: no other on this session will be done
                unanswered.popleft()
                self._answers.answer(waiting, answer)
        except WorkerLost as error:
            problem = str(error)
        finally:
            # 5. On every path, also after a bug here: a worker that owes an answer never becomes
            #    idle again, and every caller is answered, because only the caller can give back the
            #    attempt that it was charged.
            if unanswered:
                self._supervisor.lose(worker, problem)
            else:
                self._supervisor.give_back(worker)
            for waiting, _ in unanswered:
                self._answers.refuse(waiting, "the token did not answer")
