"""`strongroom-vault demo` from a wheel, far from any clone, in a folder with a hostile name."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from vault_process import REPOSITORY

from strongroom_vault import demo

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = "a\"b'c d\\e%f?gü"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The packages of a wheel, without its dependencies."""
    wheels, packages = tmp_path / "wheels", tmp_path / "packages"
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    (wheel,) = wheels.iterdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*install, "--target", str(packages), str(wheel)], check=True)
    return packages


def test_the_wheel_plays_the_story(installed: Path, tmp_path: Path) -> None:
    """With a TMPDIR that makes every socket's path too long, in the locale of a bare machine."""
    folder = tmp_path / HOSTILE / ("x" * 95)
    folder.mkdir(parents=True)
    program = "from strongroom_vault import cli; print(cli.__file__); cli.main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "demo"],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(installed),
            "TMPDIR": str(folder),
            "LC_ALL": "C",
            "STRONGROOM_VAULT_LISTEN_ADDRESS": "nowhere:1",
            "https_proxy": "http://localhost:1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(str(installed))
    assert "Everything is as it should be." in done.stdout
    assert not list(folder.iterdir())


def test_a_machine_without_softhsm_is_told_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sh = tmp_path / "sh"
    sh.symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(demo.NotAsItShouldBe, match="apt-get install softhsm2"):
        demo.make_vault(tmp_path)


@pytest.mark.parametrize("name", ["a#b", "a\nb"])
def test_what_softhsm_cannot_read_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert demo.usable_tmp() == "/tmp"  # noqa: S108
    script = REPOSITORY / "softhsm-setup" / "init-token.sh"
    done = subprocess.run([script, folder], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.replace(str(folder), "").splitlines()) == 1
    assert not list(folder.iterdir())
