"""Vaults to measure: made, filled with records, run, and what CPU time their processes used."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

REPOSITORY: Final = Path(__file__).parents[1]
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

from vault_process import VaultFolder, VaultProcess, make_softhsm, make_vault  # noqa: E402

if TYPE_CHECKING:
    from strongroom_vault.settings.token_settings import TokenSettings

TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class TokenOf:
    """What work inside a vault's token needs to know."""

    settings: TokenSettings
    settings_file: str


def new_vault(folder: Path, *, workers: int = 2, module: Path | None = None) -> VaultFolder:
    """A vault of its own, with its own SoftHSM token, ready to start; `module` stands before it."""
    softhsm = make_softhsm(folder / "token")
    if module is not None:
        os.environ["STRONGROOM_BENCH_MODULE"] = softhsm.module
        softhsm = replace(softhsm, module=str(module))
    return make_vault(
        folder / "vault", softhsm, token={"workers": workers}, listen={"max_in_flight": 2000}
    )


def in_token(vault: VaultFolder, work: str, *arguments: object) -> Any:
    """Call `module:function(token, *arguments)` in a process that may open the vault's token."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    place = TokenOf(vault.softhsm.settings(), str(vault.settings_file))
    process = context.Process(
        target=_work, args=(theirs, str(vault.softhsm.configuration), work, place, arguments)
    )
    process.start()
    theirs.close()
    answer = ours.recv()
    process.join()
    return answer


def _work(
    answer: Any, configuration: str, work: str, place: TokenOf, arguments: tuple[object, ...]
) -> None:
    os.environ["SOFTHSM2_CONF"] = configuration
    module, name = work.split(":")
    answer.send(getattr(importlib.import_module(module), name)(place, *arguments))


def cpu_s(vault: VaultProcess) -> float:
    """CPU time in s that the vault's process and its token workers have used, dead ones too."""
    root = vault.process.pid
    return sum(_used(pid) for pid in (root, *vault.workers()))


def rss_mb(vault: VaultProcess) -> float:
    """Resident memory of the vault's process alone, without its workers."""
    status = Path(f"/proc/{vault.process.pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS
