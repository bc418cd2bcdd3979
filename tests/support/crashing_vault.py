"""A real vault that kills itself (SIGKILL) at a chosen step.

    python crashing_vault.py STEP SETTINGS

The steps of an attempt, in order: before-commit, after-commit, before-anchor, after-anchor,
before-evaluate, after-evaluate, before-answer. Everything else is the vault as it is.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom_vault.api.backup_key_vault import BackupKeyVault
from strongroom_vault.hsm.dispatcher import TokenPool
from strongroom_vault.hsm.jobs import AdvanceAnchor, CreateRegistrationResponse, GenerateKE2
from strongroom_vault.platform import logs
from strongroom_vault.server import listener, parts, server
from strongroom_vault.settings.loading import load
from strongroom_vault.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from strongroom_vault.api.caller import Caller
    from strongroom_vault.store.interface import Commit

STEPS: Final = (
    "before-commit",
    "after-commit",
    "before-anchor",
    "after-anchor",
    "before-evaluate",
    "after-evaluate",
    "before-answer",
)


def reach(step: str) -> None:
    """Die here if this is the chosen step."""
    if step == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)


STEP_OF: Final[dict[type[Any], str]] = {
    AdvanceAnchor: "anchor",
    GenerateKE2: "evaluate",
    CreateRegistrationResponse: "evaluate",
}


class CrashingStore(SqliteStore):
    """Dies around its commit."""

    def commit(self, commit: Commit) -> None:
        reach("before-commit")
        super().commit(commit)
        reach("after-commit")


class CrashingPool(TokenPool):
    """Dies around an evaluation."""

    async def run(self, job: Any) -> Any:
        step = STEP_OF.get(type(job), "something else")
        reach("before-" + step)
        answer = await super().run(job)
        reach("after-" + step)
        return answer


class CrashingApi(BackupKeyVault):
    """Dies with the answer in its hand."""

    async def StartRecovery(self, request: Any, caller: Caller) -> Any:
        answer = await super().StartRecovery(request, caller)
        reach("before-answer")
        return answer

    async def FinishRecovery(self, request: Any, caller: Caller) -> Any:
        answer = await super().FinishRecovery(request, caller)
        reach("before-answer")
        return answer

    async def FinishRegistration(self, request: Any, caller: Caller) -> Any:
        answer = await super().FinishRegistration(request, caller)
        reach("before-answer")
        return answer


if __name__ == "__main__":
    for module, kind in ((parts, CrashingStore), (server, CrashingPool), (listener, CrashingApi)):
        getattr(module, kind.__mro__[1].__name__)  # fails loudly where the server has changed
        setattr(module, kind.__mro__[1].__name__, kind)
    logs.configure()
    asyncio.run(server.VaultServer(load(Path(sys.argv[2]), os.environ)).run())
