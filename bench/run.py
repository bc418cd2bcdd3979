"""Measures the vault beside the floor of its token, on this machine, in one run.

    python bench/run.py [--short] [--records N ...] [--out FOLDER]

Writes bench.json and plots, and prints a table. `--short` only shows that everything works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import backup
import floor
from compiled import build
from fill import account
from tables import print_tables
from worlds import REPOSITORY, cpu_s, in_token, new_vault, rss_mb

from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_protocol.opaque.server import create_registration_response, generate_ke2

if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_process import VaultFolder, VaultProcess

HERE: Final = Path(__file__).parent
CLIENTS: Final = (1, 8, 64)
ACCOUNTS: Final = 1000
"""In the vault whose recoveries are measured by number of clients."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    recoveries: int
    records: tuple[int, ...]
    megabytes: int
    turns: int
    ledger_records: int

    @property
    def warm(self) -> int:
        """Recoveries before those that count."""
        return max(20, self.recoveries // 10)


FULL: Final = Size(5000, 1500, (1_000, 100_000, 1_000_000), 200, 5, 100_000)
SHORT: Final = Size(50, 60, (300,), 5, 1, 300)


def main() -> None:
    """Run everything, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only show that it works")
    parser.add_argument("--records", type=int, nargs="+", help="sizes of stores")
    parser.add_argument("--out", type=Path, default=HERE / "out")
    arguments = parser.parse_args()
    size = SHORT if arguments.short else FULL
    if arguments.records:
        size = replace(size, records=tuple(arguments.records))
    figures = measure(size)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    print_tables(figures)
    subprocess.run([sys.executable, HERE / "plots.py", arguments.out], check=True)


def measure(size: Size) -> dict[str, Any]:
    """Return all figures."""
    figures: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures |= in_turns(folder, size)
        figures["recovery"]["per_s_by_workers"] = by_workers(folder / "here", size)
        far_token = build("slow_token.c", folder, "-shared", "-fPIC")
        figures["recovery"]["per_s_by_workers_far_token"] = far_token and by_workers(
            folder / "far", size, far_token
        )
        figures["growth"] = growth(folder, size)
        figures["ledger"] = ledger_share(folder / "ledger", size.ledger_records, size)
    figures["client"] = client_costs(size.rounds // 50)
    figures["backup"] = backup.measure(size.megabytes, 3)
    return figures


def machine() -> dict[str, object]:
    """Say where and when this was measured."""
    model = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def in_turns(folder: Path, size: Size) -> dict[str, Any]:
    """Floor, recoveries, registrations and the peer, all of them some times: medians.

    The machine is now fast, now slow, and meets all alike; so ratios of one run can be compared.
    """
    vault = _filled(folder / "plain", ACCOUNTS)
    token, other = floor.Floor(vault, folder), Peer()
    turns: list[dict[str, Any]] = []
    with vault.start() as running:
        run_load(running, "recovery", 8, size.warm, ACCOUNTS)
        for _ in range(size.turns):
            turn: dict[str, Any] = {
                "floor": token.measure(size.rounds // size.turns),
                "recovery": loads(running, size, "recovery"),
                "registration": loads(running, size, "registration"),
                "peer": {"opaque_p256_cpu_us": other.measure(size.rounds // 10 // size.turns)},
            }
            cpu = turn["recovery"]["cpu_us"]["64"]
            turn["ratio"] = {
                "to_floor": _ratio(cpu, turn["floor"]["c_cpu_us"]),
                "to_peer": _ratio(cpu, turn["peer"]["opaque_p256_cpu_us"]),
            }
            turns.append(turn)
        running.stop()
    return dict(medians(turns))


def _ratio(value: float, reference: float | None) -> float | None:
    return None if reference is None else value / reference


def medians(turns: list[Any]) -> Any:
    """The median of each figure of some turns; None where it was not measured."""
    first = turns[0]
    if isinstance(first, dict):
        return {name: medians([turn[name] for turn in turns]) for name in first}
    return None if first is None else statistics.median(turns)


def loads(running: VaultProcess, size: Size, kind: str) -> dict[str, Any]:
    """A load at each number of clients: figure -> number of clients -> value."""
    found: dict[str, Any] = {}
    for clients in CLIENTS:
        count = size.recoveries if clients > 1 else size.recoveries // 3
        for name, value in run_load(running, kind, clients, count, ACCOUNTS).items():
            found.setdefault(name, {})[str(clients)] = value
    return found


def run_load(
    vault: VaultProcess, kind: str, clients: int, count: int, accounts: int
) -> dict[str, float]:
    """Run one load and return its figures."""
    settings = {
        "kind": kind,
        "address": vault.address,
        "certificate": str(vault.folder.certificate),
        "issuer": str(vault.folder.folder),
        "vault_id": vault.folder.settings().vault.id,
        "clients": clients,
        "count": count,
        "accounts": [
            account(number)
            for number in random.Random(1).sample(range(accounts), min(accounts, count))
        ],
    }
    process = subprocess.Popen(
        [sys.executable, HERE / "load.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("no pipes")
    process.stdin.write(json.dumps(settings) + "\n")
    process.stdin.flush()
    if process.stdout.readline() != "ready\n":
        raise RuntimeError("the load did not start")
    before = cpu_s(vault)
    process.stdin.write("go\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    used = cpu_s(vault) - before
    if process.wait() != 0:
        raise RuntimeError("the load failed")
    done = json.loads(answer)
    latencies = sorted(done["latencies"])
    if len(latencies) != count:
        raise RuntimeError(f"{len(latencies)} of {count} were answered")
    return {
        "cpu_us": used / count * 1e6,
        "per_s": count / done["seconds"],
        "client_cpu_us": done["client_cpu_s"] / count * 1e6,
        **{
            f"{name}_ms": latencies[min(count - 1, int(count * share))] * 1e3
            for name, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))
        },
    }


def by_workers(folder: Path, size: Size, module: Path | None = None) -> dict[str, float]:
    """Recoveries per second at 64 clients with one token worker and with two, in turns."""
    vaults = {
        workers: _filled(folder / str(workers), ACCOUNTS, workers=workers, module=module)
        for workers in (1, 2)
    }
    found: dict[str, list[float]] = {str(workers): [] for workers in vaults}
    for _ in range(size.turns):
        for workers, vault in vaults.items():
            with vault.start() as running:
                run_load(running, "recovery", 8, size.warm, ACCOUNTS)
                load = run_load(running, "recovery", 64, size.recoveries, ACCOUNTS)
                found[str(workers)].append(load["per_s"])
                running.stop()
    return {workers: statistics.median(rates) for workers, rates in found.items()}


def growth(folder: Path, size: Size) -> list[dict[str, float]]:
    """Vaults with more and more records: start-up, memory, CPU time of a recovery, size on disk.

    The loads of all sizes take turns, so that what the machine does meanwhile meets them alike.
    """
    vaults = {count: _filled(folder / str(count), count) for count in size.records}
    found: dict[int, dict[str, float]] = {}
    for count, vault in vaults.items():
        vault.start().stop()  # the first start reads the file into the system's memory
        began = time.perf_counter()
        started = vault.start()
        found[count] = {"records": count, "start_s": time.perf_counter() - began}
        started.stop()
    running = {count: vault.start() for count, vault in vaults.items()}
    loads: dict[int, list[dict[str, float]]] = {count: [] for count in vaults}
    for count, process in running.items():
        run_load(process, "recovery", 8, size.warm, count)
    for _ in range(size.turns):
        for count, process in running.items():
            loads[count].append(run_load(process, "recovery", 64, size.recoveries, count))
    for count, process in running.items():
        found[count]["rss_mb"] = rss_mb(process)
        process.stop()
        database = vaults[count].database
        found[count]["bytes_per_record"] = database.stat().st_size / count
        for name in ("cpu_us", "per_s"):
            found[count][name] = statistics.median(load[name] for load in loads[count])
    return list(found.values())


def ledger_share(folder: Path, count: int, size: Size) -> dict[str, float]:
    """What the verified ledger adds to the CPU time of a recovery.

    The same vault with and without the proof (`unverified.py`), in turns; the store is put back
    after each turn without.
    """
    vault = _filled(folder, count)
    plain = [sys.executable, str(HERE / "unverified.py"), "serve"]
    programs = {"verified": None, "unverified": [*plain, "--config", str(vault.settings_file)]}
    kept = folder / "kept.db"
    used: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(size.turns):
        for name, program in programs.items():
            shutil.copy(vault.database, kept)
            with vault.start(program) as running:
                run_load(running, "recovery", 8, size.warm, count)
                load = run_load(running, "recovery", 64, size.recoveries, count)
                running.stop()
            used[name].append(load["cpu_us"])
            if program is not None:
                shutil.copy(kept, vault.database)
    verified, unverified = (statistics.median(used[name]) for name in programs)
    return {
        "records": count,
        "verified_cpu_us": verified,
        "unverified_cpu_us": unverified,
        "verified_share": (verified - unverified) / unverified,
    }


def _filled(
    folder: Path, count: int, *, workers: int = 2, module: Path | None = None
) -> VaultFolder:
    vault = new_vault(folder, workers=workers, module=module)
    in_token(vault, "fill:fill", count)
    return vault


def client_costs(rounds: int) -> dict[str, float]:
    """What a client computes, in us of CPU time over all cores; Argon2id on its own."""
    identities = Identities(b"account", b"strongroom/v1/vault")
    oprf_key, server_key = SoftwareOprfKey(Scalar.random()), SoftwareAkeKey.derive(bytes(32))

    def stretch(data: bytes) -> bytes:
        return data

    request, registration = client.create_registration_request(b"password")
    response = create_registration_response(request, server_key.public_key, oprf_key)
    record, _ = client.finalize_registration_request(registration, response, identities, stretch)
    ke1, login = client.generate_ke1(b"password")
    ke2, _ = generate_ke2(ke1, record, server_key, oprf_key, identities)
    rounds = max(rounds, 2)
    return {
        "argon2id_us": _cpu(lambda: RFC9106_SECOND(b"password"), 2),
        "registration_request_us": _cpu(
            lambda: client.create_registration_request(b"password"), rounds
        ),
        "registration_record_us": _cpu(
            lambda: client.finalize_registration_request(
                registration, response, identities, stretch
            ),
            rounds,
        ),
        "ke1_us": _cpu(lambda: client.generate_ke1(b"password"), rounds),
        "ke3_us": _cpu(lambda: client.generate_ke3(login, ke2, identities, stretch), rounds),
    }


def _cpu(work: Callable[[], object], rounds: int) -> float:
    work()
    before = time.process_time()
    for _ in range(rounds):
        work()
    return (time.process_time() - before) / rounds * 1e6


class Peer:
    """The server of opaque-p256, where there is a node to run it."""

    def __init__(self) -> None:
        self._command: list[str | Path] = []
        if shutil.which("node") is None or shutil.which("npm") is None:
            print("no node or npm: the peer is left out", file=sys.stderr)
            return
        sys.path.insert(0, str(REPOSITORY / "tests" / "support"))
        import opaque_p256_peer  # noqa: PLC0415 -- only where it can be installed

        opaque_p256_peer.install()
        self._command = ["node", HERE / "peer.mjs", str(opaque_p256_peer.FOLDER)]

    def measure(self, rounds: int) -> float | None:
        """CPU us per recovery; None where there is no node."""
        if not self._command:
            return None
        command = [*self._command, str(max(rounds, 2))]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(done.stdout)


if __name__ == "__main__":
    main()
