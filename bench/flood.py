"""What floods do to honest clients and to the vault's memory, beside the same without, in one run.

    python bench/flood.py [--connections 200] [--streams 128] [--rounds 3] [KIND ...]

Honest clients recover their keys, each on a new connection; a flood is a process of its own. Quiet
and flood take turns, and the latencies of all turns of one kind are put together.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from floods import kinds
from quick_account import QuickAccount
from worlds import cpu_s, new_vault, rss_mb

from strongroom_protocol.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vault_process import VaultProcess

CLIENTS: Final = 8
PAUSE_S: Final = 0.1
SETTLE_S: Final = 1.0
RETRY_S: Final = 0.2


@dataclass(slots=True)
class Honest:
    """Clients that recover their keys, one after the other, and how long each took."""

    vault: VaultProcess
    accounts: list[QuickAccount]
    latencies: list[float] = field(default_factory=list)
    failures: int = 0
    cpu_s: float = 0.0

    def work(self, seconds: float) -> None:
        """Recover for so long, all clients at once."""
        ends_at = time.monotonic() + seconds
        cpu = cpu_s(self.vault)
        threads = [
            threading.Thread(target=self._one, args=(account, ends_at)) for account in self.accounts
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.cpu_s += cpu_s(self.vault) - cpu

    def row(self) -> str:
        """Median and 99th percentile, and the vault's CPU time for each recovery, all in ms."""
        cpu = self.cpu_s / len(self.latencies) * 1000
        return f"{self.percentile(50):.0f} | {self.percentile(99):.0f} | {cpu:.1f}"

    def percentile(self, which: int) -> float:
        """A percentile of the latencies in ms."""
        return statistics.quantiles(self.latencies, n=100, method="inclusive")[which - 1] * 1000

    def _one(self, account: QuickAccount, ends_at: float) -> None:
        while (began := time.monotonic()) < ends_at:
            while True:
                try:
                    account.recover(self.vault)
                    break
                except StrongroomError:
                    self.failures += 1
                    time.sleep(RETRY_S)
                    if time.monotonic() > ends_at + 10:
                        break
            self.latencies.append(time.monotonic() - began)
            time.sleep(PAUSE_S)


@contextmanager
def flooded(vault: VaultProcess, kind: str, connections: int, streams: int) -> Iterator[list[Any]]:
    """A flood from another process; what it reports at its end is appended to the list."""
    program = Path(__file__).with_name("stranger.py")
    arguments = [program, vault.port, vault.folder.certificate, kind, connections, streams]
    with subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("both are pipes")
        process.stdout.readline()
        time.sleep(SETTLE_S)
        reports: list[Any] = []
        yield reports
        process.stdin.close()
        reports.append(json.loads(process.stdout.readline()))


def measure(vault: VaultProcess, accounts: list[QuickAccount], kind: str, arguments: Any) -> str:
    """Take turns with and without a flood; return a row of the table."""
    without, beside = Honest(vault, accounts), Honest(vault, accounts)
    before = most = rss_mb(vault)
    report: dict[str, int] = {}
    for _ in range(arguments.rounds):
        without.work(arguments.seconds)
        with flooded(vault, kind, arguments.connections, arguments.streams) as reports:
            beside.work(arguments.seconds)
            most = max(most, rss_mb(vault))
        report = reports[0]
        time.sleep(SETTLE_S)
    ratio = beside.percentile(99) / without.percentile(99)
    return (
        f"| {kind} | {without.row()} | {beside.row()} | {ratio:.1f} | {before:.0f} |"
        f" {most - before:+.0f} | {report['open']} | {report['closed']} | {beside.failures} |"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("kinds", nargs="*")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--streams", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    arguments = parser.parse_args()
    accounts = [QuickAccount(f"honest-{number}") for number in range(CLIENTS)]
    with tempfile.TemporaryDirectory() as folder:
        place = new_vault(Path(folder))
        print(f"{arguments.connections} connections of {arguments.streams} streams")
        print("| flood | p50 | p99 | CPU | p50 | p99 | CPU | ratio | MB | + | open | shut | err |")
        print("|---|" + "---:|" * 12)
        for kind in arguments.kinds or kinds(1):
            with place.start() as vault:  # a new one: memory once used stays with a process
                for account in accounts:
                    account.register(vault)
                print(measure(vault, accounts, kind, arguments), flush=True)


if __name__ == "__main__":
    main()
