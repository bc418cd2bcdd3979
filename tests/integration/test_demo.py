"""`strongroom-vault demo` from a wheel, far from any clone, in a folder with a hostile name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pexpect
import pytest
from vault_process import REPOSITORY
from wheel import install_wheel

from strongroom_vault.demo import scenes, throwaway
from strongroom_vault.demo.programs import NotAsItShouldBe, shell
from strongroom_vault.operator import softhsm

HOSTILE = "a\"b'c d\\e%f?gü"
TOO_LONG = "x" * 95
"""For the path of a socket below it."""
TITLES = [f"{number}/8  {title}" for number, (title, _) in enumerate(scenes.SCENES, start=1)]


def demo_of(packages: Path) -> list[str]:
    program = "from strongroom_vault.cli import commands; print(commands.__file__); commands.main()"
    return [sys.executable, "-P", "-c", program, "demo"]


def processes_that_know(folder: Path) -> list[str]:
    """Those with the folder's name in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if os.fsencode(folder) in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            pass  # it has ended, or is another user's
    return found


def test_the_wheel_plays_the_story_while_another_one_is_interrupted(
    tmp_path: Path,
) -> None:
    """Into a pipe of 40 columns, in a bare machine's locale, with all that may be odd around it."""
    installed = install_wheel(tmp_path)
    folder = tmp_path / HOSTILE / TOO_LONG
    folder.mkdir(parents=True)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(installed),
        "TMPDIR": str(folder),
        "HOME": "/dev/null/nowhere",
        "LC_ALL": "C",
        "COLUMNS": "40",
        "STRONGROOM_VAULT_LISTEN_ADDRESS": "nowhere:1",
        "STRONGROOM_INVITE": "junk",
        "https_proxy": "http://localhost:1",
        "GRPC_VERBOSITY": "debug",
    }
    story = subprocess.Popen(
        demo_of(installed),
        cwd=tmp_path,
        env=environment,
        umask=0,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    interrupt_at_first_backup(installed, tmp_path / "interrupted", environment)
    out, err = story.communicate(timeout=200)
    assert story.returncode == 0, out + err
    first, *lines = out.splitlines()
    assert first.startswith(str(installed))
    assert max(map(len, lines)) <= 40
    told = " ".join(out.split())
    positions = [told.index(" ".join(title.split())) for title in TITLES]
    assert positions == sorted(positions)
    for seen in (
        'phone $ strongroom enable types: "seven brown foxes under one roof"',
        "her backup key not there",
        "the head in the database was not made by this vault",
        "rollback detected: the database is older than the token's anchor",
        "The vault has stopped: its database is not the newest one.",
        "2 attempts are left.",
        "1 attempt is left",
        "The vault destroyed this key for good",
        "Everything is as it should be.",
    ):
        assert seen in told, seen
    assert told.count("the same, byte for byte") == 4  # two commands, two answers
    assert not list(folder.iterdir())
    assert processes_that_know(folder) == []


def interrupt_at_first_backup(installed: Path, folder: Path, environment: dict[str, str]) -> None:
    """Ctrl-C on a terminal, twice: a vault serves, and a command is under way."""
    folder.mkdir()
    program, *arguments = demo_of(installed)
    terminal = pexpect.spawn(
        program,
        arguments,
        cwd=str(folder),
        env={**environment, "TMPDIR": str(folder), "COLUMNS": ""},
        dimensions=(24, 60),
        encoding="utf-8",
        timeout=100,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # CI may ignore it
    )
    with terminal:
        terminal.expect_exact("\x1b[1m2/8  Alice protects her backup")  # bold: a terminal it is
        terminal.expect_exact("strongroom backup chats.db")
        terminal.sendintr()
        terminal.sendintr()
        terminal.expect_exact("the demo was interrupted; nothing of it is left")
        terminal.expect(pexpect.EOF)
    assert "Traceback" not in terminal.before
    assert terminal.exitstatus == 128 + signal.SIGINT
    assert not list(folder.iterdir())
    assert processes_that_know(folder) == []


def test_a_machine_without_softhsm_is_told_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sh = tmp_path / "sh"
    sh.symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotAsItShouldBe):
        throwaway.make_vault(tmp_path / "vault")
    assert "apt-get install softhsm2" in " ".join(capsys.readouterr().out.split())


def test_a_step_that_goes_otherwise_ends_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotAsItShouldBe, match="exit code 3, not 0"):
        shell(tmp_path, "echo it is said why; exit 3")
    assert "it is said why" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a#b", "a\nb"])
def test_what_softhsm_cannot_read_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    assert softhsm.usable_tmp() == "/tmp"  # noqa: S108
    script = REPOSITORY / "softhsm-setup" / "init-token.sh"
    done = subprocess.run([script, folder], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.replace(str(folder), "").splitlines()) == 1
    assert not list(folder.iterdir())
