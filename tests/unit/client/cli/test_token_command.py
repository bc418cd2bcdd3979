"""A command that prints access tokens: bounded, without a shell, asked again when it is time."""

from __future__ import annotations

import shlex
import sys
import time
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest

from strongroom.cli.token_command import (
    MAX_TOKEN,
    BadTokenCommand,
    TokenCommand,
    TokenCommandFailed,
    portable,
    token_command,
)
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from pathlib import Path


def python(program: str) -> str:
    return shlex.join([sys.executable, "-S", "-c", program])


def counting(folder: Path, lifetime_s: int) -> TokenCommand:
    """A command that leaves a line behind each time, and prints a real token."""
    if not (folder / issuer.KEY_FILE).exists():
        issuer.create_issuer(folder)
    token = issuer.issue(folder, "vault.test", "alice", "read", lifetime_s)
    return TokenCommand(python(f"open({str(folder / 'runs')!r}, 'a').write('.'); print({token!r})"))


@pytest.mark.parametrize("printed", ["e30.e30.c2ln", "e30.e30.c2ln\n", "\n e30.e30.c2ln\r\n"])
def test_white_space_around_the_token_does_not_matter(printed: str) -> None:
    assert TokenCommand(python(f"print({printed!r}, end='')"))() == "e30.e30.c2ln"


@pytest.mark.parametrize(
    ("program", "problem", "exit_code"),
    [
        ("raise SystemExit(3)", "ended with exit code 3", 3),
        ("print('e30.e30.c2ln'); raise SystemExit(1)", "ended with exit code 1", 1),
        ("import os; os.kill(os.getpid(), 9)", "ended with exit code 137", 137),
        ("", "prints no", None),
        ("print('e30.e30.c2ln d.e.f')", "no access token", None),
        ("print('e30.e30.c2ln\\nd.e.f')", "no access token", None),
        ("import sys; sys.stdout.buffer.write(b'\\xff\\xfea.b')", "no access token", None),
        ("print('\\x1b[31mred')", "no access token", None),
        (f"print('a' * {MAX_TOKEN} * 3)", "too much", None),
        ("while True: print('a' * 4096)", "too much", None),
    ],
)
def test_what_gives_no_token_is_a_typed_error(
    program: str, problem: str, exit_code: int | None
) -> None:
    with pytest.raises(TokenCommandFailed, match=problem) as failed:
        TokenCommand(python(program))()
    assert failed.value.exit_code == exit_code
    assert failed.value.hint
    assert program not in str(failed.value) or not program  # arguments may hold secrets


def test_a_program_that_is_not_there_or_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for name, exit_code in (("missing", 127), ("text", 126), ("", 126)):
        with pytest.raises(TokenCommandFailed, match="cannot be run") as failed:
            TokenCommand(str(tmp_path / name))()
        assert failed.value.exit_code == exit_code


@pytest.mark.parametrize(
    "program",
    ["import time; time.sleep(60)", "import os, time; os.close(1); time.sleep(60)"],
)
def test_a_command_that_hangs_is_ended_and_waited_for_once(program: str) -> None:
    command = TokenCommand(python(program), timeout=0.3)
    began = time.monotonic()
    for _ in range(3):
        with pytest.raises(TokenCommandFailed, match="did not end within"):
            command()
    assert time.monotonic() - began < 30


def test_a_command_may_leave_something_behind_that_holds_its_stdout() -> None:
    """As an agent does that keeps a person signed in."""
    program = (
        "import subprocess, sys; print('e30.e30.c2ln', flush=True);"
        "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(30)'])"
    )
    began = time.monotonic()
    assert TokenCommand(python(program), timeout=60)() == "e30.e30.c2ln"
    assert time.monotonic() - began < 20


def test_no_shell_reads_it_and_stdin_stays_the_persons(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    made = tmp_path / "made"
    command = TokenCommand(f"echo 'a;touch' > {shlex.quote(str(made))} $HOME")
    with pytest.raises(TokenCommandFailed):  # echo prints several words
        command()
    assert not made.exists()
    program = (
        "import sys; print(sys.stdin.read() + 'e30.e30.c2ln'); print('Sign in!', file=sys.stderr)"
    )
    assert TokenCommand(python(program))() == "e30.e30.c2ln"
    assert capfd.readouterr().err == "Sign in!\n"


def test_a_command_that_fails_runs_once(tmp_path: Path) -> None:
    """It may ask a person something each time."""
    runs = tmp_path / "runs"
    command = TokenCommand(python(f"open({str(runs)!r}, 'a').write('.'); raise SystemExit(3)"))
    for _ in range(3):
        with pytest.raises(TokenCommandFailed, match="exit code 3"):
            command()
    command.renew()
    with pytest.raises(TokenCommandFailed, match="exit code 3"):
        command()
    assert (tmp_path / "runs").read_text() == "."


@pytest.mark.parametrize("text", ["", "  ", "'unclosed", "a\0b", "ends with \\"])
def test_text_that_is_no_command(text: str) -> None:
    with pytest.raises(BadTokenCommand) as refused:
        TokenCommand(text)
    assert "No shell reads it" in refused.value.hint


def test_a_token_is_used_while_it_is_good_and_not_after_it_was_refused(tmp_path: Path) -> None:
    command = counting(tmp_path, lifetime_s=600)
    assert command() == command()
    assert (tmp_path / "runs").read_text() == "."
    command.renew()
    command()
    assert (tmp_path / "runs").read_text() == ".."


@pytest.mark.parametrize("lifetime_s", [-5, 10])
def test_a_token_at_its_end_is_not_kept(tmp_path: Path, lifetime_s: int) -> None:
    command = counting(tmp_path, lifetime_s)
    command()
    command()
    assert (tmp_path / "runs").read_text() == ".."


@pytest.mark.parametrize("exp", ["NaN", "1e999", "true", "[]", '"soon"', "1" * 2000])
def test_a_lifetime_that_makes_no_sense_keeps_no_token_for_ever(exp: str) -> None:
    claims = urlsafe_b64encode(f'{{"exp": {exp}, "iat": 0}}'.encode()).decode()
    command = TokenCommand(python(f"print('e30.{claims}.c2ln')"))
    command()
    assert command._good_until < time.time() + 1000


def test_a_path_means_the_same_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert portable("./sign-in --for 'a b'") == f"{tmp_path}/sign-in --for 'a b'"
    assert portable("sign-in ./x") == "sign-in ./x"
    assert portable("'a b/c'") == f"'{tmp_path}/a b/c'"


def test_one_program_is_one_command_in_whatever_way_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert token_command("./sign-in  --now") is token_command(f"{tmp_path}/sign-in --now")
    assert token_command("./sign-in") is not token_command("./sign-in --now")
    with pytest.raises(BadTokenCommand):
        token_command("'unclosed")
