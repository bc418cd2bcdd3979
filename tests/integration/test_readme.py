"""README.md: what it tells an operator, an application and a person to run does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pexpect
import pytest
from vault_process import REPOSITORY

from strongroom_vault.demo.throwaway import free_port
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "seven brown foxes under one roof"
READY = "--- ready"
PATH = f"{Path(sys.executable).parent}:{os.environ['PATH']}"


def block(section: str, language: str) -> str:
    """The first block of a section, as it stands."""
    text = (REPOSITORY / "README.md").read_text()
    _, found, rest = text.partition(f"\n## {section}\n")
    assert found, section
    match = re.search(
        rf"^```{language}\n(.*?)^```$", rest.partition("\n## ")[0], re.MULTILINE | re.DOTALL
    )
    assert match is not None, section
    return match[1]


@contextmanager
def operators_vault(folder: Path) -> Iterator[str]:
    """Run the operator's block in one shell; give what it printed while its vault still serves.

    Only the port is taken anew.
    """
    script = block("For an operator", "sh").replace("7443", str(free_port()))
    around = f"trap 'kill $!; wait $!' EXIT\n{script}\necho '{READY}'\nread -r"
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", around],
        cwd=folder,
        env={**os.environ, "PATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        said = ""
        for line in shell.stdout:
            if line.startswith(READY):
                break
            said += line
        else:
            raise AssertionError(said)
        yield said
        shell.stdin.write("\n")
        shell.stdin.flush()
    assert shell.returncode == 0, said


def run_as_a_person(script: str, folder: Path, answers: dict[str, str]) -> str:
    """Run a script on a terminal, and answer what it asks; return what was seen after that."""
    terminal = pexpect.spawn(
        "bash",
        ["-euc", script],
        cwd=str(folder),
        env={
            **os.environ,
            "PATH": PATH,
            "STRONGROOM_HOME": str(folder / "home"),
            "STRONGROOM_KEY_STORE": "file",
        },
        encoding="utf-8",
        timeout=60,
    )
    with terminal:
        for question, answer in answers.items():
            terminal.expect_exact(question)
            terminal.sendline(answer)
        terminal.expect(pexpect.EOF)
    seen = str(terminal.before)
    assert terminal.exitstatus == 0, seen
    return seen


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md"])
def test_waiting_for_a_vault_that_does_not_start_ends(page: str, tmp_path: Path) -> None:
    """Or it waits forever: Ctrl-C makes the command exit with a code, and the shell goes on."""
    text = (REPOSITORY / page).read_text()
    found = re.search(
        r"^strongroom-vault serve .*&\n.*strongroom-vault status.*$", text, re.MULTILINE
    )
    assert found is not None
    done = subprocess.run(
        ["bash", "-c", f"{found[0]}\necho goes on"],
        cwd=tmp_path,
        env={**os.environ, "PATH": PATH},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout == "goes on\n"
    assert "there are no settings" in (tmp_path / "vault.log").read_text()


def test_the_blocks_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with operators_vault(tmp_path) as said:
        assert "serving        yes" in said
        assert "none changed, none missing" in said
        (invite,) = re.findall(r"^strongroom1\S+$", said, re.MULTILINE)
        served = tmp_path / "vault"
        assert (served / "copy.db").is_file()

        application = tmp_path / "application"
        application.mkdir()
        monkeypatch.chdir(application)
        (application / "chats.db").write_bytes(b"all my chats")
        token = issuer.issue(served, "vault.example", "bob", "register recover", 600)
        names = {"invite": invite, "token": token, "password": PASSWORD}
        exec(block("For an application", "python"), names)  # noqa: S102 -- what README says
        assert (application / "chats.db.age").read_bytes().startswith(b"age-encryption.org")

        phone, new_phone = tmp_path / "phone", tmp_path / "new-phone"
        script = block("For a person", "sh").replace("strongroom1...", invite)
        export, *commands, restore = script.splitlines()
        for device in (phone, new_phone):
            device.mkdir()
            (device / "access-token").write_text((served / "access-token").read_text())
        (phone / "chats.db").write_bytes(b"all my chats")
        new = {"New password: ": PASSWORD, "The same again: ": PASSWORD}
        seen = run_as_a_person("\n".join([export, *commands]), phone, new)
        assert "10 wrong passwords in a row, and the vault destroys" in " ".join(seen.split())
        (phone / "chats.db.age").rename(new_phone / "chats.db.age")
        run_as_a_person(f"{export}\n{restore}", new_phone, {"Password: ": PASSWORD})
        assert (new_phone / "chats.db").read_bytes() == b"all my chats"
