"""How the demo runs programs: what they see, what is shown, and when the demo ends."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from strongroom_protocol import __version__
from strongroom_vault.demo import programs

if TYPE_CHECKING:
    from pathlib import Path


def test_a_step_that_is_as_it_should_be_goes_on() -> None:
    programs.check(is_so=True, otherwise="never said")
    with pytest.raises(programs.NotAsItShouldBe, match="the file has another size"):
        programs.check(is_so=False, otherwise="the file has another size")


def test_programs_do_not_see_this_persons_own_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRONGROOM_HOME", "GRPC_TRACE", "https_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "/mine")
    monkeypatch.setenv("KEPT", "yes")
    environment = programs.own_environment()
    assert "/mine" not in environment.values()
    assert environment["KEPT"] == "yes"
    operators = programs.operators_environment()
    assert operators["STRONGROOM_VAULT_VAULT_ATTEMPT_LIMIT"] == str(programs.ATTEMPTS)
    assert operators["STRONGROOM_VAULT_TOKEN_WORKERS"] == "1"


def test_both_streams_are_one_text(tmp_path: Path) -> None:
    words = ["sh", "-c", "pwd; echo failed >&2; exit 3"]
    code, printed = programs.run(words, tmp_path, {"PATH": "/bin:/usr/bin"})
    assert (code, printed.splitlines()) == (3, [str(tmp_path), "failed"])


def test_another_exit_code_than_the_storys_ends_the_demo(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert programs.shown((3, "wrong password"), 3) == "wrong password"
    with pytest.raises(programs.NotAsItShouldBe, match="exit code 1, not 0"):
        programs.shown((1, "what went wrong"), 0)
    assert "what went wrong" in capsys.readouterr().out


def test_the_shell_and_our_commands_run_in_somebodys_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert programs.shell(tmp_path, "touch here && ls") == "here"
    assert programs.operate(tmp_path, "--version").endswith(__version__)
    shown = capsys.readouterr().out
    assert "touch here && ls" in shown
    assert "strongroom-vault --version" in shown
    assert programs.python_program("strongroom")[0] == sys.executable
