"""What the command says, and how it ends, where a vault cannot be reached."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, Any

import pexpect
from person import PROGRAM
from tls_servers import certificate, closed_port, serving, shakes_hands

if TYPE_CHECKING:
    from pathlib import Path


def environment_of(folder: Path, address: str) -> dict[str, str]:
    claims = urlsafe_b64encode(json.dumps({"sub": "alice"}).encode()).decode().rstrip("=")
    (folder / "token").write_text(f"e30.{claims}.e30\n")
    return {
        **os.environ,
        "STRONGROOM_HOME": str(folder / "home"),
        "STRONGROOM_VAULT": address,
        "STRONGROOM_ACCESS_TOKEN_FILE": str(folder / "token"),
    }


def test_the_command_says_that_it_is_still_trying(tmp_path: Path) -> None:
    with closed_port() as port:
        environment = environment_of(tmp_path, f"localhost:{port}")
        terminal: Any = pexpect.spawn(
            PROGRAM, ["status"], env=environment, encoding="utf-8", timeout=60, dimensions=(24, 200)
        )
        terminal.expect_exact(f"localhost:{port} refuses the connection. Trying again")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        terminal.close()


def test_the_command_says_soon_that_a_vault_is_silent(tmp_path: Path) -> None:
    """Its first try takes 10 seconds, and nobody should look at nothing for so long."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, and that is all
        port = silent.getsockname()[1]
        terminal: Any = pexpect.spawn(
            PROGRAM,
            ["status"],
            env=environment_of(tmp_path, f"localhost:{port}"),
            encoding="utf-8",
            timeout=60,
            dimensions=(24, 200),
        )
        terminal.expect_exact(f"The vault at localhost:{port} has not answered yet. Trying again")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        assert "Traceback" not in terminal.before
        terminal.close()


def test_a_wrong_usage_is_broken_between_words(tmp_path: Path) -> None:
    # The shell keeps the terminal open: what is written right before its end may be lost.
    terminal: Any = pexpect.spawn(
        "/bin/sh",
        ["-c", f"'{PROGRAM}' restore chats.db; echo ended with $?; read _"],
        env=environment_of(tmp_path, "localhost:1"),
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 40),
    )
    terminal.expect("ended with 2\r\n")
    lines = [line.rstrip() for line in str(terminal.before).splitlines()]
    assert max(map(len, lines)) <= 40
    assert lines[0] == "Usage: strongroom restore"
    assert lines[-1] == "    the output file with --output"
    terminal.close()


def test_the_command_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    with serving(shakes_hands(certificate(tmp_path))) as port:
        done = subprocess.run(
            [PROGRAM, "status"],
            env=environment_of(tmp_path, f"https://localhost:{port}/"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 5
    assert done.stderr.startswith(f"strongroom: The TLS certificate of localhost:{port} is not ")
    assert "--ca-file" in done.stderr
    assert len(done.stderr.splitlines()) == 2
