"""deploy/ and docs/operations.md "As a service": the unit, and a vault that its commands make.

What would change this machine is a stand-in: users, and systemd, of which the unit's own lines are
run. All else is real, below another folder.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from vault_process import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

UNIT: Final = REPOSITORY / "deploy" / "strongroom-vault.service"
PAGE: Final = REPOSITORY / "docs" / "operations.md"
NAME: Final = "vault.test"
PROGRAMS: Final = Path(sys.executable).parent
STAND_INS: Final = {
    "useradd": "exit 0",
    "chown": "exit 0",
    "hostname": "echo Vault.Test",
    "runuser": 'shift 3; exec "$@"',
    # What systemd does of a unit, as far as it matters here; the environment is the unit's alone.
    "systemctl": """
cd "$STATE"
environment=$(sed -n 's/^Environment=//p' "$UNITS/strongroom-vault.service")
command=$(sed -n 's/^ExecStart=//p' "$UNITS/strongroom-vault.service")
env -i $environment $command 2>vault.log >&- & echo $! >pid
""",
}


def walk() -> str:
    """The commands of the section, in order."""
    section = PAGE.read_text().partition("## As a service")[2].partition("\n## ")[0]
    return "\n".join(re.findall(r"^```sh service\n(.*?)^```$", section, re.MULTILINE | re.DOTALL))


def moved(text: str, root: Path, ports: dict[str, str]) -> str:
    """Commands, a unit, a script: below `root`, at other ports."""
    for there, here in (
        ("/var/lib/strongroom", f"{root}/state"),
        ("/usr/local/sbin/", f"{root}/bin/"),
        ("/etc/systemd/system/", f"{root}/units/"),
        ("/opt/strongroom/bin/", f"{PROGRAMS}/"),
        ("deploy/", f"{root}/deploy/"),
        *ports.items(),
    ):
        text = text.replace(there, here)
    return text


def free_port() -> str:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as probe:
        return str(probe.getsockname()[1])


@pytest.fixture
def ports() -> dict[str, str]:
    return {"7443": free_port(), "9464": free_port()}


@pytest.fixture
def root(tmp_path: Path, ports: dict[str, str]) -> Iterator[Path]:
    """Folders for what the commands install, and the stand-ins."""
    for name in ("bin", "units", "deploy"):
        (tmp_path / name).mkdir()
    for file in (REPOSITORY / "deploy").glob("*vault*"):
        (tmp_path / "deploy" / file.name).write_text(moved(file.read_text(), tmp_path, ports))
    for name, script in STAND_INS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    yield tmp_path
    pid = tmp_path / "state" / "pid"
    if pid.exists():
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGTERM)  # a bare Debian has no command kill


def shell(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{root}/bin:{os.environ['PATH']}",
        "STATE": f"{root}/state",
        "UNITS": f"{root}/units",
    }
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_commands_make_a_service_that_other_machines_reach(
    root: Path, ports: dict[str, str]
) -> None:
    script = walk()
    assert script.count("vault-operator ") >= 3
    done = shell(moved(script, root, ports), root)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "serving        yes" in done.stdout
    state = root / "state"
    assert state.stat().st_mode & 0o077 == 0
    context = ssl.create_default_context(cafile=str(state / "vault.crt.pem"))
    context.set_alpn_protocols(["h2"])
    for host in {"127.0.0.1", "::1", *own_addresses()}:
        with (
            socket.create_connection((host, int(ports["7443"])), timeout=30) as connection,
            context.wrap_socket(connection, server_hostname=NAME),
        ):
            pass
    elsewhere = shell("vault-operator anchor show --json; vault-operator status --json", root)
    assert elsewhere.returncode == 0, elsewhere.stderr


def own_addresses() -> set[str]:
    """Those by which others reach this machine, if it has any."""
    try:
        found = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {str(place[0]) for *_, place in found}


def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/strongroom/bin/", f"{PROGRAMS}/"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_that_is_deployed_is_told() -> None:
    told = (REPOSITORY / "deploy" / "README.md").read_text()
    assert all(f"`{file.name}`" in told for file in UNIT.parent.iterdir() if file.suffix != ".md")
