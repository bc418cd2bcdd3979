"""Both commands with streams that nobody reads: honest exit codes, and no noise."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = ["strongroom", "strongroom_vault"]


def shell(package: str, arguments: str, redirections: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a shell does that redirects its streams."""
    program = f"from {package}.__main__ import main; main()"
    return subprocess.run(
        ["bash", "-c", f'"$@" {arguments} {redirections}', "bash", sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    ("redirection", "said"),
    [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")],
)
def test_what_cannot_be_written_to_stdout_is_no_success(
    package: str, redirection: str, said: str
) -> None:
    done = shell(package, "--version", redirection)
    assert done.returncode == 1
    assert done.stderr.endswith(f"{said}\n")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_a_reader_who_has_left_hears_no_complaint(package: str) -> None:
    """As with `show-key | head -0`: the exit code says that it was not delivered."""
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [sys.executable, "-c", f"from {package}.__main__ import main; main()", "--version"],
        check=False,
        stdout=theirs,
        stderr=subprocess.PIPE,
    )
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", "<&-", "2>&- <&-"])
def test_messages_that_nobody_reads_change_nothing(package: str, redirection: str) -> None:
    done = shell(package, "--version", redirection)
    assert (done.returncode, done.stderr) == (0, "")
    assert "version" in done.stdout
    assert shell(package, "nosuch", redirection).returncode == 2


def test_no_file_gets_the_number_of_a_closed_stderr(tmp_path: Path) -> None:
    """What a library writes to stderr would go into it."""
    program = (
        "import os, sys; from strongroom_protocol.terminal import streams; streams.prepare()\n"
        "with open(sys.argv[1], 'wb') as database:\n"
        "    os.write(2, b'a library'); print('a message', file=sys.stderr)\n"
        "    print(database.fileno())"
    )
    done = subprocess.run(
        ["bash", "-c", '"$@" <&- 2>&-', "bash", sys.executable, "-c", program, tmp_path / "db"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert int(done.stdout) > 2
    assert (tmp_path / "db").read_bytes() == b""
