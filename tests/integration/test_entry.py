"""How both commands begin: quick Ctrl-C, parts that are missing, and what their help says."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import click
import pytest
from vault_process import REPOSITORY

from strongroom import __main__
from strongroom.cli import commands

PROGRAMS = Path(sys.executable).parent
LOADING = "import time\nprint('loading', flush=True)\ntime.sleep(60)\n"
LIBRARY = """
import importlib, pkgutil, strongroom, strongroom_protocol
for package in (strongroom, strongroom_protocol):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.startswith(("strongroom.cli", "strongroom.__main__")):
            print(importlib.import_module(module.name).__name__)
"""


def environment(folder: Path) -> dict[str, str]:
    """Modules of this folder come first. Coverage would take Ctrl-C before the command does."""
    found = {name: it for name, it in os.environ.items() if not name.startswith("COV")}
    return found | {"PYTHONPATH": str(folder)}


def without(module: str, folder: Path) -> None:
    """What comes first in this folder is as if it were not installed."""
    text = f"raise ModuleNotFoundError('No module named {module}', name='{module}')\n"
    (folder / f"{module}.py").write_text(text)


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


@pytest.mark.parametrize(
    ("program", "module", "extra"),
    [
        *(("strongroom", module, "strongroom[cli]") for module in __main__.NEEDED),
        ("strongroom-vault", "click", "strongroom[vault]"),
        ("strongroom-vault", "msgspec", "strongroom[vault]"),
    ],
)
def test_a_command_whose_extra_is_missing(
    tmp_path: Path, program: str, module: str, extra: str
) -> None:
    without(module, tmp_path)
    done = subprocess.run(
        [PROGRAMS / program, "--version"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"{program}: " in done.stderr
    assert f"({module} is missing)" in done.stderr
    assert f"pip install '{extra}'" in done.stderr


def test_another_missing_module_is_a_fault(tmp_path: Path) -> None:
    without("pyrage", tmp_path)
    done = subprocess.run(
        [PROGRAMS / "strongroom", "--version"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


def test_the_library_needs_nothing_of_the_command(tmp_path: Path) -> None:
    for module in __main__.NEEDED:
        without(module, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    loaded = done.stdout.split()
    assert {"strongroom.vault", "strongroom.transport", "strongroom_protocol.invite"} < set(loaded)


def test_the_extras_are_what_the_commands_look_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    packages = {re.split(r"[\[<>=]", line)[0] for line in project["optional-dependencies"]["cli"]}
    assert packages == set(__main__.NEEDED)
    library = {re.split(r"[\[<>=]", line)[0] for line in project["dependencies"]}
    assert not packages & library
    assert "strongroom[cli]" in project["optional-dependencies"]["vault"]


@pytest.mark.parametrize("name", ["", *commands.cli.commands])
def test_the_help_is_whole_at_eighty_columns(name: str) -> None:
    command = commands.cli.commands[name] if name else commands.cli
    text = command.get_help(click.Context(command, info_name=name, terminal_width=80))
    assert "..." not in text.replace("ARGS]...", "")
    assert max(len(line) for line in text.splitlines()) <= 80
    said = " ".join(text.split())
    for code in ("0 success", "1 failure", "2 ", "3 ", "4 ", "5 ", "130 ", "129 ", "143 "):
        assert code in said[said.index("Exit codes:") :]
