"""How both commands begin: quick Ctrl-C, parts that are missing, and what their help says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import click
import pytest

from strongroom.cli import commands

PROGRAMS = Path(sys.executable).parent
LOADING = "import time\nprint('loading', flush=True)\ntime.sleep(60)\n"
MISSING = "raise ModuleNotFoundError('No module named msgspec', name='msgspec')\n"


def environment(folder: Path) -> dict[str, str]:
    """Modules of this folder come first. Coverage would take Ctrl-C before the command does."""
    found = {name: it for name, it in os.environ.items() if not name.startswith("COV")}
    return found | {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    ("program", "module"), [("strongroom", "zxcvbn"), ("strongroom-vault", "msgspec")]
)
def test_ctrl_c_while_a_command_loads(tmp_path: Path, program: str, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(LOADING)
    process = subprocess.Popen(
        [PROGRAMS / program, "--version"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 -- see person.py
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "loading\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def test_a_vault_whose_parts_are_missing(tmp_path: Path) -> None:
    (tmp_path / "msgspec.py").write_text(MISSING)
    done = subprocess.run(
        [PROGRAMS / "strongroom-vault", "--version"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "pip install 'strongroom[vault]'" in done.stderr


@pytest.mark.parametrize("name", ["", *commands.cli.commands])
def test_the_help_is_whole_at_eighty_columns(name: str) -> None:
    command = commands.cli.commands[name] if name else commands.cli
    text = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert "..." not in text.replace("ARGS]...", "")
    assert max(len(line) for line in text.splitlines()) <= 80
    said = " ".join(text.split())
    for code in ("0 done", "1 not done", "2 ", "3 ", "4 ", "5 ", "130 ", "129 ", "143 "):
        assert code in said[said.index("Exit codes:") :]
