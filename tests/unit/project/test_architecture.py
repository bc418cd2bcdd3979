"""docs/architecture.md leads a recovery from the wire to the token and back, and is right.

The road's steps name a file and a function each. One recovery is made with a real vault, and every
process of it writes down when these functions are called: they are called in the order of the page.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from vault_process import REPOSITORY, make_softhsm, make_vault

from strongroom import BackupKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAGE: Final = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
STEP: Final = re.compile(r"^\d+\. `([\w/]+)\.py` `([\w.]+)`", re.MULTILINE)
WINGS: Final = ("protocol", "client", "vault")
TRACER: Final = REPOSITORY / "tests" / "support" / "road"
PASSWORD: Final = "correct horse battery staple"
CLIENT: Final = """
import sys, time
from strongroom import Vault
address, token, roots = sys.argv[1:]
with Vault.connect(address, access_token=token, ca_certificates=roots) as vault:
    vault.info()
    print(time.monotonic_ns(), flush=True)
    vault.recover({password!r})
"""


def road() -> list[str]:
    """The functions that the page names, in its order, as module:qualified name."""
    section = PAGE.partition("\n## The road of one recovery\n")[2].partition("\n## ")[0]
    steps = []
    for path, name in STEP.findall(section):
        wing, *parts = path.split("/")
        assert wing in WINGS, f"{path} is in no wing"
        steps.append(f"{'.'.join(parts)}:{name}")
    return steps


def follow(names: Iterable[str], calls: Iterable[str]) -> list[str]:
    """Return the names that are not called in this order."""
    rest = iter(calls)
    return [name for name in names if name not in rest]


def test_the_road_of_one_recovery_is_that_of_the_page(tmp_path: Path) -> None:
    steps = road()
    assert len(steps) > 20
    traces = tmp_path / "traces"
    traces.mkdir()
    traced = {
        "PYTHONPATH": str(TRACER),
        "ROAD_NAMES": "\n".join(set(steps)),
        "ROAD_FOLDER": str(traces),
    }
    folder = make_vault(tmp_path / "vault", make_softhsm(tmp_path / "token"), token={"workers": 1})
    with folder.start(environment=traced) as vault:
        with vault.connect("alice") as client:
            client.protect(BackupKey.generate(), PASSWORD)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                CLIENT.format(password=PASSWORD),
                vault.address,
                folder.access_token("alice"),
                str(folder.certificate),
            ],
            env={**os.environ, **traced},
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        began = int(done.stdout)
    lines = [line.split() for file in traces.iterdir() for line in file.read_text().splitlines()]
    calls = [
        name for time, name in sorted((int(time), name) for time, name in lines) if time > began
    ]
    assert follow(steps, calls) == []


def test_a_wrong_order_is_found() -> None:
    assert follow(["a", "b", "c"], ["x", "a", "b", "y", "c"]) == []
    assert follow(["a", "c", "b"], ["a", "b", "c"]) == ["b"]
