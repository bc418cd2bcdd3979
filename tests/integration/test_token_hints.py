"""A token that cannot be opened: what is said names the setting, variable or command that helps."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import many_commands
import pytest
from vault_process import make_softhsm, make_vault, prepare_vault

if TYPE_CHECKING:
    from pathlib import Path

    from vault_process import VaultFolder

LABEL: Final = "[token] label (STRONGROOM_VAULT_TOKEN_LABEL)"
UNSET: Final = "unset"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> VaultFolder:
    made = tmp_path_factory.mktemp("hints")
    return make_vault(made / "vault", make_softhsm(made / "token"))


def configured(folder: Path, tokens: Path) -> str:
    """The path of a SOFTHSM2_CONF whose tokens are there."""
    path = folder / "softhsm2.conf"
    path.write_text(f"directories.tokendir = {tokens}\n")
    return str(path)


def twins(folder: Path) -> str:
    """A SOFTHSM2_CONF with two tokens of one label."""
    (folder / "tokens").mkdir()
    path = configured(folder, folder / "tokens")
    words = "--init-token --free --label strongroom-test --so-pin 1234 --pin 1234"
    for _ in range(2):
        subprocess.run(
            ["softhsm2-util", *words.split()],
            env={"SOFTHSM2_CONF": path},
            check=True,
            capture_output=True,
        )
    return path


def test_each_failure_names_what_helps(folder: VaultFolder, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "two").mkdir()
    empty = configured(tmp_path, tmp_path / "none")
    lost = configured(tmp_path / "none", tmp_path / "nowhere")
    absent = str(tmp_path / "absent.conf")
    cases = (
        ({"SOFTHSM2_CONF": empty}, "no token 'strongroom-test'", ("init-token.sh", empty)),
        ({"SOFTHSM2_CONF": lost}, "cannot load the module", ("nowhere", "SOFTHSM2_CONF")),
        ({"SOFTHSM2_CONF": absent}, "cannot load the module", (absent, "cannot be read")),
        ({"SOFTHSM2_CONF": twins(tmp_path / "two")}, "more than one token", (LABEL,)),
        (
            {"STRONGROOM_VAULT_TOKEN_LABEL": "tpyo"},
            "no token 'tpyo'",
            (f"has 'strongroom-test': {LABEL}",),
        ),
        (
            {"STRONGROOM_VAULT_TOKEN_MODULE": "/usr/lib/libnone.so"},
            "no PKCS#11 module at /usr/lib/libnone.so",
            ("STRONGROOM_VAULT_TOKEN_MODULE", folder.softhsm.module),
        ),
        (
            {"STRONGROOM_VAULT_TOKEN_PIN_FILE": absent},
            f"[token] pin_file (STRONGROOM_VAULT_TOKEN_PIN_FILE): {absent} does not exist",
            ("the token's user PIN",),
        ),
    )
    for environment, problem, helps in cases:
        (refused,) = many_commands.run(folder, "anchor show --json", **environment)
        said = refused.refusal
        assert problem in said["error"], said
        assert all(words in f"{said['error']} {said['hint']}" for words in helps), said


def test_softhsm_without_its_variable(folder: VaultFolder) -> None:
    done = subprocess.run(
        folder.command("anchor", "show"),
        env={k: v for k, v in folder.environment().items() if k != "SOFTHSM2_CONF"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "SOFTHSM2_CONF is not set" in done.stderr


def test_the_vault_says_the_same_when_it_does_not_start(tmp_path: Path) -> None:
    """A token without keys, and a worker that finds that out, in a process of its own."""
    fresh = prepare_vault(tmp_path / "vault", make_softhsm(tmp_path / "token"))
    used = make_vault(tmp_path / "used", make_softhsm(tmp_path / "used-token"))
    shutil.copy(used.database, fresh.database)
    (refused,) = many_commands.run(fresh, "serve --json")
    assert "strongroom.root" in refused.stderr
    assert "strongroom-vault init makes the keys of a new vault" in refused.stderr.splitlines()[-1]
