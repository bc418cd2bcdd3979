"""`strongroom-vault init --yes` that kills itself (SIGKILL) after a chosen step.

python cut_init.py STEP SETTINGS
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.operator import init
from strongroom_vault.settings.loading import load
from strongroom_vault.store import sqlite_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

STEPS: Final[dict[str, tuple[ModuleType | type, str]]] = {
    "the wrap key": (vault_keys, "make_wrap_key"),
    "the root": (vault_keys, "curve"),  # asked for between the root and the identity key
    "all keys": (init, "check_keys"),
    "the store's draft": (sqlite_file, "_fill"),
    "the store": (sqlite_file, "sync_folder"),
    "one slot of the anchor": (AnchorSlots, "_write"),
}


def dying(step: Callable[..., Any]) -> Callable[..., Any]:
    """The step, and then the end."""

    def last(*arguments: Any) -> None:
        step(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    return last


if __name__ == "__main__":
    module, name = STEPS[sys.argv[1]]
    setattr(module, name, dying(getattr(module, name)))
    settings = load(Path(sys.argv[2]), os.environ)
    init.carry_out(settings, init.make_plan(settings), new_store=False)
