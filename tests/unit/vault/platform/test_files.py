"""Files whose modes matter, and files that are written whole or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import (
    exists,
    is_open_to_others,
    kind_of,
    others_can_write,
    remove_drafts,
    replace,
    sync_tree,
    write_new,
)

KILLED = """
import resource, signal, sys
from pathlib import Path
from strongroom_vault.platform.files import write_new
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
write_new(Path(sys.argv[1]), bytes(100), 0o600)
"""
"""Killed when the file has 8 bytes."""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_secret_is_its_owners_alone(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(mode)
    assert is_open_to_others(secret)
    secret.chmod(0o600)
    assert not is_open_to_others(secret)


def test_a_credential_of_systemd_may_have_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for an access control list that names the service's user alone."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    for folder, is_open in ((credentials, False), (tmp_path, True)):
        secret = folder / "user.pin"
        secret.touch()
        secret.chmod(0o440)
        assert is_open_to_others(secret) == is_open
    (credentials / "user.pin").chmod(0o444)
    assert is_open_to_others(credentials / "user.pin")


def test_a_file_that_is_missing_has_no_mode(tmp_path: Path) -> None:
    for look in (is_open_to_others, others_can_write):
        with pytest.raises(OperatorError, match="does not exist"):
            look(tmp_path / "none")


def test_what_others_can_write(tmp_path: Path) -> None:
    trusted = tmp_path / "jwks.json"
    trusted.touch()
    for mode, is_open in ((0o644, False), (0o664, True), (0o646, True)):
        trusted.chmod(mode)
        assert others_can_write(trusted) == is_open


def test_what_exists(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert exists(tmp_path)
    assert exists(tmp_path / "file")
    assert not exists(tmp_path / "none")
    assert not exists(tmp_path / "file" / "none")
    with pytest.raises(OperatorError, match="File name too long"):
        exists(tmp_path / ("n" * 300))


def test_a_new_file_never_replaces_another(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_new(path, b"first", 0o600)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"first", 0o600)
    with pytest.raises(FileExistsError):
        write_new(path, b"second", 0o600)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "token"
    replace(path, b"first", 0o600)
    replace(path, b"second", 0o600)
    assert path.read_bytes() == b"second"
    kept = tmp_path / "folder"
    kept.mkdir()
    with pytest.raises(IsADirectoryError):
        replace(kept, b"data", 0o600)
    assert sorted(tmp_path.iterdir()) == [kept, path]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGXFSZ
    (draft,) = tmp_path.iterdir()
    assert draft.name.startswith(".")
    remove_drafts(tmp_path)
    assert not list(tmp_path.iterdir())


def test_everything_below_a_folder_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "tokens" / "object").write_bytes(b"key")
    sync_tree(tmp_path)
    assert sorted(synced) == [str(tmp_path / "tokens"), str(tmp_path / "tokens" / "object")]


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    assert kind_of(tmp_path.stat().st_mode) == "a folder"
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert kind_of(path.stat().st_mode) == "a pipe, socket or device"
