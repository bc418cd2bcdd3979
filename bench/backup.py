"""Backup files: our encrypt_file and decrypt_file beside pyrage itself and the age program."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pyrage

from strongroom import BackupKey

if TYPE_CHECKING:
    from collections.abc import Callable


def measure(megabytes: int, rounds: int) -> dict[str, float | None]:
    """Return MB/s (10^6 bytes), the best of some rounds, each side in turn."""
    key = BackupKey.generate()
    identity = pyrage.x25519.Identity.from_str(key.age_identity)
    recipient = pyrage.x25519.Recipient.from_str(key.age_recipient)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, sealed, opened = folder / "plain", folder / "plain.age", folder / "opened"
        plain.write_bytes(os.urandom(1_000_000) * megabytes)
        works: dict[str, Callable[[], object]] = {
            "encrypt_mb_s": lambda: key.encrypt_file(plain, sealed),
            "decrypt_mb_s": lambda: key.decrypt_file(sealed, opened),
            "pyrage_encrypt_mb_s": lambda: pyrage.encrypt_file(
                str(plain), str(sealed), [recipient]
            ),
            "pyrage_decrypt_mb_s": lambda: pyrage.decrypt_file(
                str(sealed), str(opened), [identity]
            ),
            "pyrage_synced_encrypt_mb_s": lambda: _synced(
                sealed, lambda: pyrage.encrypt_file(str(plain), str(sealed), [recipient])
            ),
            "pyrage_synced_decrypt_mb_s": lambda: _synced(
                opened, lambda: pyrage.decrypt_file(str(sealed), str(opened), [identity])
            ),
        }
        age = shutil.which("age")
        if age is None:
            print("no age program: left out", file=sys.stderr)
        else:
            works["age_encrypt_mb_s"] = lambda: subprocess.run(
                [age, "-r", key.age_recipient, "-o", sealed, plain], check=True
            )
        best: dict[str, float | None] = {"age_encrypt_mb_s": None}
        for _ in range(rounds):
            for what, work in works.items():
                (opened if "decrypt" in what else sealed).unlink(missing_ok=True)
                began = time.perf_counter()
                work()
                speed = megabytes / (time.perf_counter() - began)
                best[what] = max(best.get(what) or 0.0, speed)
    return best


def _synced(made: Path, make: Callable[[], object]) -> None:
    """Make a file and see it on the disk, as ours are before they take their name."""
    make()
    with made.open("rb") as file:
        os.fsync(file.fileno())
