"""Backups that are interrupted anywhere, and those whose header was changed."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest

from strongroom import BackupDamaged, BackupKey, WrongKey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SIZE = 10_000_000


class Ended(BaseException):
    """As the command ends at SIGTERM."""


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """A signal that comes while age computes: its handler runs where Python goes on."""

    def end(*_: object) -> NoReturn:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
        signal.pause()  # it was faster: the signal comes here
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_signal_is_never_told_as_an_error_of_age(tmp_path: Path) -> None:
    key, plain, backup = BackupKey.generate(), tmp_path / "plain", tmp_path / "backup"
    plain.write_bytes(bytes(SIZE))
    key.encrypt_file(plain, backup)
    for number in range(40):
        work, source = [(key.encrypt_file, plain), (key.decrypt_file, backup)][number % 2]
        with pytest.raises(Ended), ended_after(0.0005 + number * 0.0003):
            work(source, tmp_path / f"output {number}")


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
