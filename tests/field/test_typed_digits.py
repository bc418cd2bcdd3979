"""A person types the 64 digits: on several lines, with a mistake, on a small terminal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import pexpect
import pytest
from person import PROGRAM

from strongroom import BackupKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = BackupKey(bytes(range(0xC0, 0xE0)))
GROUPS = KEY.digits.split()
LINES = [" ".join(GROUPS[at : at + 4]) for at in range(0, 16, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "plain").write_bytes(b"text" * 1_000_000)
    KEY.encrypt_file(tmp_path / "plain", tmp_path / "chats.age")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"STRONGROOM_HOME": str(folder / "home")}


def terminal(folder: Path, *more: str) -> pexpect.spawn[str]:
    return pexpect.spawn(
        PROGRAM,
        ["restore", "chats.age", "--digits", *more],
        cwd=str(folder),
        env=environment(folder),
        encoding="utf-8",
        timeout=60,
        dimensions=(24, 40),
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def test_four_lines_are_pasted_and_a_mistake_is_mended(folder: Path) -> None:
    person = terminal(folder)
    person.expect("64-digit key: ")
    assert person.getecho()
    mistyped = LINES[2].replace("d", "b", 1)
    person.sendline("\n".join([LINES[0], LINES[1] + " xyz", LINES[1], mistyped, LINES[3]]))
    person.expect("U\\+0078")
    person.expect(r"digit\s+may\s+be\s+mistyped")
    person.expect(f"3:  {mistyped}")
    person.expect("Wrong line")
    person.sendline("3")
    person.sendline(LINES[2].replace(" ", "\u2013"))
    person.expect("chats is restored")
    person.expect(pexpect.EOF)
    person.close()
    assert person.exitstatus == 0
    assert (folder / "chats").read_bytes() == (folder / "plain").read_bytes()


def test_every_line_fits_forty_columns(folder: Path) -> None:
    person = terminal(folder, "-o", "out")
    person.expect("64-digit key: ")
    said = person.before + person.after
    for line in LINES:
        person.sendline(line)
    person.expect(pexpect.EOF)
    said += person.before.replace("more digits: ", "more digits: \n")
    shown = re.sub(r"\x1b\[K", "", said)
    assert "Decrypting 100%" in shown
    assert max(len(line) for line in re.split(r"[\r\n]+", shown)) <= 40
    person.close()
    assert person.exitstatus == 0


def test_who_gives_up_is_told_what_it_may_be(folder: Path) -> None:
    person = terminal(folder)
    person.expect("64-digit key: ")
    person.sendline("0" * 64)
    person.expect("Wrong line")
    person.sendline("")
    person.expect(r"digit\s+may\s+be")
    person.expect(pexpect.EOF)
    person.close()
    assert person.exitstatus == 1
    assert not (folder / "chats").exists()


@pytest.mark.parametrize("option", [["--digits"], ["--digits-fd", "0"]])
def test_a_script_gives_four_lines(folder: Path, option: list[str]) -> None:
    for digits, code in (("\n".join(LINES), 0), ("\n".join(["0" * 16, *LINES[1:]]), 1)):
        done = subprocess.run(
            [PROGRAM, "restore", "chats.age", "-o", f"out{code}", *option],
            cwd=folder,
            env=environment(folder),
            input=digits,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert ("A digit may be mistyped" in done.stderr) == (code == 1)


def test_one_standard_input_is_not_two_things(folder: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "restore", "-", "--digits"],
        cwd=folder,
        env=environment(folder),
        input=(folder / "chats.age").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"standard input has the backup" in done.stderr
