"""Every line of a vault's log is one JSON object, whoever has something to say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from vault_process import REPOSITORY

if TYPE_CHECKING:
    from vault_process import VaultFolder

TALKATIVE = """
import asyncio, gc, threading, warnings
from strongroom_vault.platform import logs
logs.configure()

class Falls:
    def __del__(self):
        raise ValueError("a secret")

async def fall():
    raise ValueError("a secret")

async def main():
    asyncio.create_task(fall())
    await asyncio.sleep(0)
    gc.collect()

Falls()
thread = threading.Thread(target=lambda: [].pop())
thread.start()
thread.join()
warnings.warn("odd", stacklevel=1)
asyncio.run(main())
raise LookupError("a secret")
"""


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_errors_that_nobody_caught_and_warnings() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TALKATIVE], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (1, "")
    lines = lines_of(done.stderr)
    assert [line["error"] for line in lines if line["event"] == "internal error"] == [
        "ValueError",
        "IndexError",
        "LookupError",
    ]
    library = [line for line in lines if line["event"] == "library"]
    assert [line["problem"].split(": ")[-1] for line in library] == [
        "odd",
        "Task exception was never retrieved",
    ]
    assert library[-1]["error"] == "ValueError"
    assert "secret" not in done.stderr


def test_a_worker_says_what_befell_it_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "strongroom_vault.hsm.token.worker", "99"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=REPOSITORY,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("OSError at ")
    assert done.stderr.count("\n") == 1


def test_crashes_of_workers_and_broken_handshakes(vault_folder: VaultFolder) -> None:
    with vault_folder.start(environment={"PYTHONFAULTHANDLER": "1"}) as vault:
        for said in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\0\5hello",
            b"\x16\x03\x01\xff\xff" * 99,
        ):
            with socket.create_connection(("localhost", vault.port)) as connection:
                connection.sendall(said)
        os.kill(vault.workers()[0], signal.SIGSEGV)
        ends_at = time.monotonic() + 20
        while "Segmentation fault" not in vault.log() or "worker replaced" not in vault.log():
            assert time.monotonic() < ends_at
            time.sleep(0.05)
        assert vault.stop() == 0
    printed = [line for line in lines_of(vault.log()) if line["event"] == "token worker printed"]
    assert any("Segmentation fault" in line["text"] for line in printed)
    assert all(isinstance(line["pid"], int) for line in printed)
