"""The demo's vault: how it is started, read and stopped."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import jwt
import pytest

from strongroom_vault.demo.programs import NotAsItShouldBe
from strongroom_vault.demo.throwaway import VAULT_ID, ThrowAwayVault, free_port
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from pathlib import Path


def running(vault: ThrowAwayVault, program: str, first: str = "") -> subprocess.Popen[bytes]:
    """Give a vault a process of another program, and wait until it has done `first`."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"{first}\nprint('begun', flush=True)\n{program}"],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"begun\n"
    process.stdout.close()
    vault._process = process
    return process


def test_a_line_that_is_half_written_is_no_event_yet(tmp_path: Path) -> None:
    vault = ThrowAwayVault(tmp_path)
    (tmp_path / "vault.log").write_bytes(b'{"event":"one"}\nnoise\n{"event":"two"}\n{"event":"th')
    assert [event["event"] for event in vault.events()] == ["one", "two"]


def test_a_vault_that_does_not_start_says_why(tmp_path: Path) -> None:
    vault = ThrowAwayVault(tmp_path)
    with vault, pytest.raises(NotAsItShouldBe, match=r"does not serve: .* there are no settings"):
        vault.start()


def test_a_vault_is_stopped_as_its_operator_does(tmp_path: Path) -> None:
    vault = ThrowAwayVault(tmp_path)
    vault.stop()  # it never ran
    process = running(
        vault,
        "signal.pause()",
        first="import signal, sys; signal.signal(15, lambda *_: sys.exit(0))",
    )
    vault.stop()
    assert process.returncode == 0
    vault.stop()


def test_a_vault_that_died_or_did_not_end_well_ends_the_demo(tmp_path: Path) -> None:
    vault = ThrowAwayVault(tmp_path)
    running(vault, "").wait()
    with pytest.raises(NotAsItShouldBe, match="died on the way"):
        vault.stop()
    running(vault, "import signal; signal.pause()")
    with pytest.raises(NotAsItShouldBe, match="did not stop cleanly"):
        vault.stop()


def test_the_end_of_the_story_ends_the_vault(tmp_path: Path) -> None:
    with ThrowAwayVault(tmp_path) as vault:
        process = running(vault, "import signal; signal.pause()")
    assert process.returncode == -15


def test_the_application_gives_access_tokens_for_this_vault(tmp_path: Path) -> None:
    issuer.create_issuer(tmp_path)
    token = ThrowAwayVault(tmp_path).access_token("alice")
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["aud"], claims["sub"]) == (VAULT_ID, "alice")
    assert claims["scope"].split() == ["register", "recover", "read", "delete"]


def test_a_free_port_can_be_taken() -> None:
    with socket.create_server(("127.0.0.1", free_port())):
        pass
