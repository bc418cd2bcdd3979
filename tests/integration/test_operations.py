"""docs/operations.md: the walk from a fresh machine to a served vault does what it says."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from vault_process import REPOSITORY

PAGE = REPOSITORY / "docs" / "operations.md"


def blocks() -> list[str]:
    """The commands of the walk, in order."""
    return re.findall(r"^```sh walk\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def test_the_walk(tmp_path: Path) -> None:
    """Every command of the page, one shell, nothing else; only the ports are taken anew."""
    script = "\n".join(blocks())
    assert script.count("strongroom-vault") > 15
    for port in (7443, 9464):
        script = script.replace(str(port), str(free_port()))
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p)' ERR\n{script}"],
        cwd=REPOSITORY,
        env={**os.environ, "WORK": str(tmp_path), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "serving        yes" in done.stdout
    assert "The vault can run, with residency = wrapped or token." in done.stderr
    assert "attempts left   10" in done.stdout
    assert "1 record is under wrap key 1" in done.stderr
    assert "none changed, none missing" in done.stderr
    assert (tmp_path / "copy.db").is_file()


@pytest.mark.parametrize("page", sorted((REPOSITORY / "docs").glob("*.md")), ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    for link in links:
        if not link.startswith("https://"):
            assert (page.parent / link).exists(), link
