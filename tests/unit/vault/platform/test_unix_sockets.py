"""Unix sockets at paths of any length and name."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.unix_sockets import LONGEST, grpc_target, short_path


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_short_path_is_itself() -> None:
    with short_path(Path("/run/admin.sock")) as short:
        assert short == Path("/run/admin.sock")


def test_a_long_path_leads_to_the_same_socket(tmp_path: Path) -> None:
    path = tmp_path / ("f" * LONGEST) / "admin.sock"
    path.parent.mkdir()
    files = open_files()
    with short_path(path) as short, socket.socket(socket.AF_UNIX) as server:
        assert len(os.fsencode(short)) <= LONGEST
        server.bind(str(short))
        assert path.is_socket()
    assert open_files() == files


def test_a_name_that_is_too_long_by_itself(tmp_path: Path) -> None:
    path = tmp_path / ("s" * (LONGEST + 1))
    with pytest.raises(OperatorError, match="is too long; name a shorter one"), short_path(path):
        pass


def test_a_folder_that_is_missing() -> None:
    path = Path("/nowhere") / ("f" * LONGEST) / "admin.sock"
    with pytest.raises(OperatorError, match="cannot open the folder"), short_path(path):
        pass


def test_grpc_gets_a_uri() -> None:
    assert grpc_target(Path("/a#b?c%d/ü")) == "unix:/a%23b%3Fc%25d/%C3%BC"
