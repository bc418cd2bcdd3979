"""Measures the vault beside the floor of its token, on this machine, in one run.

    python bench/run.py [--short] [--records N ...] [--out FOLDER]

Writes bench.json and plots, and prints a table. `--short` only shows that everything works.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import backup
import floor
from fill import account
from tables import print_tables
from worlds import REPOSITORY, cpu_s, in_token, new_vault, rss_mb

from strongroom.opaque import client
from strongroom.opaque.envelope import Identities
from strongroom.opaque.group import Scalar
from strongroom.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom.opaque.ksf import RFC9106_SECOND
from strongroom.opaque.server import create_registration_response, generate_ke2

if TYPE_CHECKING:
    from collections.abc import Callable

    from vault_process import VaultFolder, VaultProcess

HERE: Final = Path(__file__).parent
CLIENTS: Final = (1, 8, 64)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    recoveries: int
    records: tuple[int, ...]
    megabytes: int


FULL: Final = Size(2000, 3000, (1_000, 100_000, 1_000_000), 200)
SHORT: Final = Size(50, 60, (300,), 5)


def main() -> None:
    """Run everything, print the tables, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="only show that it works")
    parser.add_argument("--records", type=int, nargs="+", help="sizes of stores")
    parser.add_argument("--out", type=Path, default=HERE / "out")
    arguments = parser.parse_args()
    size = SHORT if arguments.short else FULL
    if arguments.records:
        size = Size(size.rounds, size.recoveries, tuple(arguments.records), size.megabytes)
    figures = measure(size)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "bench.json").write_text(json.dumps(figures, indent=1) + "\n")
    print_tables(figures)
    if not arguments.short:
        subprocess.run([sys.executable, HERE / "plots.py", arguments.out], check=True)


def measure(size: Size) -> dict[str, Any]:
    """Return all figures."""
    figures: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vault = new_vault(folder / "plain")
        in_token(vault, "fill:fill", 1000 if size is FULL else 100)
        figures["floor"] = floor.measure(vault, size.rounds)
        figures["recovery"] = recoveries(vault, size)
        figures["recovery"]["per_s_by_workers"] = by_workers(folder, size)
        figures["registration"] = loads(vault, size, "registration")
        figures["growth"] = [growth(folder / str(count), count, size) for count in size.records]
    figures["client"] = client_costs(size.rounds // 50)
    figures["backup"] = backup.measure(size.megabytes, 3)
    figures["peer"] = {"opaque_p256_cpu_us": peer(size.rounds // 10)}
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


def recoveries(vault: VaultFolder, size: Size) -> dict[str, Any]:
    """Recoveries at each number of clients: figure -> number of clients -> value."""
    return loads(vault, size, "recovery")


def loads(vault: VaultFolder, size: Size, kind: str) -> dict[str, Any]:
    """The same for recoveries and registrations."""
    found: dict[str, Any] = {}
    with vault.start() as running:
        run_load(running, kind, 8, max(20, size.recoveries // 20), 100)  # warm
        for clients in CLIENTS:
            count = size.recoveries if clients > 1 else size.recoveries // 3
            for name, value in run_load(running, kind, clients, count, 100).items():
                found.setdefault(name, {})[str(clients)] = value
        running.stop()
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
        "accounts": [account(number) for number in range(accounts)],
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


def by_workers(folder: Path, size: Size) -> dict[str, float]:
    """Recoveries per second at 64 clients with one token worker and with two."""
    found = {}
    for workers in (1, 2):
        vault = new_vault(folder / f"workers-{workers}", workers=workers)
        in_token(vault, "fill:fill", 100)
        with vault.start() as running:
            run_load(running, "recovery", 8, max(20, size.recoveries // 20), 100)
            found[str(workers)] = run_load(running, "recovery", 64, size.recoveries, 100)["per_s"]
            running.stop()
    return found


def growth(folder: Path, count: int, size: Size) -> dict[str, float]:
    """A vault with `count` records: start-up, memory, CPU time of a recovery, size on disk."""
    vault = new_vault(folder)
    in_token(vault, "fill:fill", count)
    with vault.start() as running:
        running.stop()  # the first start reads the file into the system's memory
    began = time.perf_counter()
    with vault.start() as running:
        start_s = time.perf_counter() - began
        run_load(running, "recovery", 8, max(20, size.recoveries // 20), count)
        load = run_load(running, "recovery", 64, size.recoveries, count)
        memory = rss_mb(running)
        running.stop()
    bytes_per_record = vault.database.stat().st_size / count
    shutil.rmtree(folder)
    return {
        "records": count,
        "cpu_us": load["cpu_us"],
        "per_s": load["per_s"],
        "start_s": start_s,
        "rss_mb": memory,
        "bytes_per_record": bytes_per_record,
    }


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


def peer(rounds: int) -> float | None:
    """CPU us of opaque-p256's server per recovery; None where there is no node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("no node or npm: the peer is left out", file=sys.stderr)
        return None
    sys.path.insert(0, str(REPOSITORY / "tests" / "support"))
    import opaque_p256_peer  # noqa: PLC0415 -- only where it can be installed

    opaque_p256_peer.install()
    done = subprocess.run(
        ["node", HERE / "peer.mjs", opaque_p256_peer.FOLDER, str(rounds)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout)


if __name__ == "__main__":
    main()
