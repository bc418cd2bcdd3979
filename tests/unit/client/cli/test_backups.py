"""Backups to and from files, pipes and devices: what is checked, and what stays when it fails."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from strongroom import BackupDamaged, BackupKey, NotABackup, OutputExists
from strongroom.cli.backups import (
    NotForTerminals,
    NothingToBackUp,
    SameFile,
    to_back_up,
    to_restore,
)
from strongroom.cli.descriptors import BadDescriptor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY = BackupKey(bytes(range(32)))
LARGE = os.urandom(3_000_000)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe as a shell hands it on: it goes through an exec."""
    ends = os.pipe()
    for end in ends:
        os.set_inheritable(end, True)  # noqa: FBT003
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:  # the test closed it
            continue


def back_up(file: str, target: str, *, replace: bool = False) -> None:
    with to_back_up(file, target, replace=replace) as work:
        work.encrypt(KEY)


def restore(file: str, target: str) -> None:
    with to_restore(file, target) as work:
        assert work.key_among([BackupKey(bytes(32)), KEY]) == KEY
        work.decrypt(KEY)


def test_through_pipes_in_both_directions(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """More than a pipe holds, so that both ends work at once."""
    reader, writer = pipe
    (tmp_path / "plain").write_bytes(LARGE)

    def send() -> None:
        back_up("plain", f"/dev/fd/{writer}")
        os.close(writer)

    sender = threading.Thread(target=send)
    sender.start()
    restore(f"/proc/self/fd/{reader}", "output")
    sender.join()
    assert (tmp_path / "output").read_bytes() == LARGE


def test_named_pipes(tmp_path: Path) -> None:
    os.mkfifo("pipe")
    (tmp_path / "plain").write_bytes(LARGE)
    sender = threading.Thread(target=back_up, args=("plain", "pipe"))
    sender.start()
    restore("pipe", "output")
    sender.join()
    assert (tmp_path / "output").read_bytes() == LARGE


def test_what_is_sent_of_a_cut_backup_is_not_called_nothing(
    tmp_path: Path, pipe: tuple[int, int]
) -> None:
    _, writer = pipe
    (tmp_path / "plain").write_bytes(bytes(60_000))
    back_up("plain", "backup")
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "backup").write_bytes(whole[:-3])
    with pytest.raises(BackupDamaged) as raised:
        restore("backup", f"/dev/fd/{writer}")
    assert "Nothing was restored" not in raised.value.hint
    assert "only the beginning" in raised.value.hint
    with pytest.raises(BackupDamaged) as raised:
        restore("backup", "output")
    assert "Nothing was restored" in raised.value.hint
    assert not (tmp_path / "output").exists()


def test_a_device_that_is_full_and_a_reader_who_left(tmp_path: Path, pipe: tuple[int, int]) -> None:
    (tmp_path / "plain").write_bytes(b"text")
    with pytest.raises(OSError, match="No space left") as full:
        back_up("plain", "/dev/full")
    assert full.value.filename == "/dev/full"
    reader, writer = pipe
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        back_up("plain", f"/dev/fd/{writer}")


def test_a_backup_is_not_written_to_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"text")
    _ours, theirs = os.openpty()
    os.set_inheritable(theirs, True)  # noqa: FBT003
    for name in (f"/dev/fd/{theirs}", os.ttyname(theirs)):
        with pytest.raises(NotForTerminals):
            back_up("plain", name)


@pytest.mark.parametrize("number", [98, 99, 999_999_999])
def test_a_descriptor_that_nobody_gave_is_named(number: int, tmp_path: Path) -> None:
    """99 is open, but by this process itself: as a library's socket may be."""
    (tmp_path / "plain").write_bytes(b"text")
    with (tmp_path / "ours").open("w+b") as ours:
        os.dup2(ours.fileno(), 99, inheritable=False)
    try:
        for call in (back_up, restore):
            with pytest.raises(BadDescriptor, match=f"descriptor {number} is not open"):
                call(f"/dev/fd/{number}", "output")
        with pytest.raises(BadDescriptor, match=f"descriptor {number} is not open"):
            back_up("plain", f"/dev/fd/{number}")
    finally:
        os.close(99)
    assert not (tmp_path / "output").exists()


def test_the_next_night(tmp_path: Path) -> None:
    plain, backup = tmp_path / "plain", tmp_path / "plain.age"
    plain.write_bytes(b"monday")
    back_up("plain", "plain.age", replace=True)  # nothing there yet
    backup.chmod(0o640)
    plain.write_bytes(b"tuesday")
    with pytest.raises(OutputExists) as raised:
        back_up("plain", "plain.age")
    assert "--force" in raised.value.hint
    monday = backup.read_bytes()

    def be_cut_off() -> None:
        with to_back_up("plain", "plain.age", replace=True) as work:
            work.encrypt(KEY)
            assert backup.read_bytes() == monday  # until the new one is whole
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_cut_off()
    assert backup.read_bytes() == monday
    back_up("plain", "plain.age", replace=True)
    assert backup.stat().st_mode & 0o777 == 0o640
    restore("plain.age", "output")
    assert (tmp_path / "output").read_bytes() == b"tuesday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output", "plain", "plain.age"]


def test_what_force_never_replaces(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"text")
    (tmp_path / "link").symlink_to("plain")
    (tmp_path / "hard").hardlink_to("plain")
    for target in ("plain", "link", "hard", "./plain"):
        with pytest.raises(SameFile):
            back_up("plain", target, replace=True)
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for target in ("folder", "dangling"):
        with pytest.raises(OutputExists):
            back_up("plain", target, replace=True)
    assert (tmp_path / "plain").read_bytes() == b"text"


def test_an_empty_pipe_replaces_no_backup(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """`tar: no such file | strongroom backup - --force` would else leave nothing of the chats."""
    reader, writer = pipe
    os.close(writer)
    back_up(f"/dev/fd/{reader}", "new.age", replace=True)  # there is nothing to lose
    restore("new.age", "empty")
    assert (tmp_path / "empty").read_bytes() == b""
    (tmp_path / "plain").write_bytes(b"monday")
    back_up("plain", "plain.age")
    with pytest.raises(NothingToBackUp, match=r"plain\.age stays as it was"):
        back_up(f"/dev/fd/{reader}", "plain.age", replace=True)
    restore("plain.age", "output")
    assert (tmp_path / "output").read_bytes() == b"monday"


def test_a_full_pipe_replaces_a_backup(tmp_path: Path, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    (tmp_path / "plain.age").write_bytes(b"earlier")
    os.write(writer, b"tuesday")
    os.close(writer)
    back_up(f"/dev/fd/{reader}", "plain.age", replace=True)
    restore("plain.age", "output")
    assert (tmp_path / "output").read_bytes() == b"tuesday"


def test_a_link_to_an_earlier_backup_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"text")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "earlier").write_bytes(b"")
    (tmp_path / "link").symlink_to("disk/earlier")
    back_up("plain", "link", replace=True)
    assert (tmp_path / "link").is_symlink()
    restore("disk/earlier", "output")


@pytest.mark.parametrize("has_nameless", [True, False])
@pytest.mark.parametrize("size", [242, 246, 251])
def test_names_as_long_as_the_disk_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, *, has_nameless: bool
) -> None:
    if not has_nameless:
        monkeypatch.delattr(os, "O_TMPFILE")
    name = "x" * size
    (tmp_path / name).write_bytes(b"text")
    for _ in range(2):
        back_up(name, f"{name}.age", replace=True)
    (tmp_path / name).unlink()
    restore(f"{name}.age", name)
    assert (tmp_path / name).read_bytes() == b"text"


def test_an_endless_header_from_a_pipe_ends(pipe: tuple[int, int]) -> None:
    reader, writer = pipe

    def send() -> None:
        try:
            os.write(writer, b"age-encryption.org/v1\n")
            while True:
                os.write(writer, b"-> a b\n\n" * 5000)
        except BrokenPipeError:
            return

    sender = threading.Thread(target=send)
    sender.start()
    with pytest.raises(NotABackup, match="more recipients"):
        restore(f"/dev/fd/{reader}", "output")
    os.close(reader)
    sender.join()
