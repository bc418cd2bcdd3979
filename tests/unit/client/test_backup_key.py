"""Backups that are interrupted anywhere, and those whose header was changed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from strongroom import BackupDamaged, BackupKey, WrongKey

if TYPE_CHECKING:
    from pathlib import Path

INTERRUPTED = """
import signal, sys
from pathlib import Path
from strongroom import BackupKey

class Ended(BaseException):
    "As the command ends at SIGTERM."

def end(*_):
    raise Ended

folder = Path(sys.argv[1])
key, plain, backup = BackupKey.generate(), folder / "plain", folder / "backup"
plain.write_bytes(bytes(10_000_000))
key.encrypt_file(plain, backup)
signal.signal(signal.SIGALRM, end)
for number in range(40):
    work, source = [(key.encrypt_file, plain), (key.decrypt_file, backup)][number % 2]
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005 + number * 0.0003)
        work(source, folder / f"output {number}")
        signal.pause()  # it was faster: the signal comes here
    except Ended:
        print("ended")
"""
"""Signals come while age computes; their handlers run where Python goes on."""


def test_a_signal_is_never_told_as_an_error_of_age(tmp_path: Path) -> None:
    """In a process of its own and unmeasured: a handler that raises inside coverage stops it."""
    environment = {name: it for name, it in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ended"] * 40


def test_a_changed_header_is_damage_and_no_wrong_key(tmp_path: Path) -> None:
    key, plain, backup = BackupKey.generate(), tmp_path / "plain", tmp_path / "backup"
    plain.write_bytes(b"text")
    key.encrypt_file(plain, backup)
    good = backup.read_bytes()
    at = good.index(b"--- ") + 6
    backup.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
    with pytest.raises(BackupDamaged):
        key.decrypt_file(backup, tmp_path / "output")
    with pytest.raises(WrongKey):
        BackupKey.generate().decrypt_file(backup, tmp_path / "output")
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("secret", ["a" * 32, bytearray(32), None, 32, [0] * 32])
def test_a_backup_key_is_made_of_bytes(secret: Any) -> None:
    with pytest.raises(TypeError):
        BackupKey(secret)
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            BackupKey(bytes(size))
