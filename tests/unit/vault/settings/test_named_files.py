"""What is said of a file that a setting names and that cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.settings import config
from strongroom_vault.settings.named_files import (
    AS_ITS_USER,
    CERTIFICATE_FILE,
    JWKS_FILE,
    KEY_FILE,
    LARGEST,
    PIN_FILE,
    FileSetting,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EACH: Final = (PIN_FILE, CERTIFICATE_FILE, KEY_FILE, JWKS_FILE)
NOBODY: Final = 65534
AS_NOBODY: Final = """
import os, sys
from pathlib import Path
from strongroom_vault.errors import OperatorError
from strongroom_vault.settings.named_files import JWKS_FILE
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    JWKS_FILE.read(Path(sys.argv[1]))
except OperatorError as error:
    print(error, error.hint, sep="\\n")
"""


def refused(look: Callable[[Path], object], path: Path) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        look(path)
    assert "chmod" not in f"{caught.value} {caught.value.hint}"
    return caught.value


@pytest.mark.parametrize("setting", EACH, ids=lambda setting: setting.name)
def test_each_is_named_as_in_the_settings(setting: FileSetting, tmp_path: Path) -> None:
    assert setting.name in config.Settings.__annotations__ or any(
        setting.name in getattr(config, section).__struct_fields__
        for section in ("Token", "Listen", "AccessTokens")
    )
    path = tmp_path / "none"
    error = refused(setting.read, path)
    variable = f"STRONGROOM_VAULT_{setting.section}_{setting.name}".upper()
    assert str(error) == f"[{setting.section}] {setting.name} ({variable}): {path} does not exist"
    assert setting.what in error.hint
    assert setting.made in error.hint


def test_what_is_no_file_with_something_in_it(tmp_path: Path) -> None:
    folder, pipe, empty, large = (tmp_path / name for name in ("folder", "pipe", "empty", "large"))
    folder.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o600)  # opened without care, it would wait for a writer for ever
    empty.touch(mode=0o600)
    large.touch(mode=0o600)
    os.truncate(large, LARGEST + 1)
    for path, problem in (
        (folder, f"{folder} is a folder, not a file"),
        (pipe, f"{pipe} is a pipe, socket or device, not a file"),
        (empty, f"{empty} is empty"),
        (large, f"{large} has more than {LARGEST} bytes"),
        (empty / "none", f"cannot read {empty / 'none'}: Not a directory"),
    ):
        for look in (KEY_FILE.read, KEY_FILE.read_secret, KEY_FILE.require_secret):
            error = refused(look, path)
            assert str(error) == f"[listen] key_file (STRONGROOM_VAULT_LISTEN_KEY_FILE): {problem}"
            assert error.hint.startswith("It must name the private key")


def test_a_file_of_another_user(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(b"{}")
    path.chmod(0)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    program = [sys.executable, "-c", AS_NOBODY, str(path)]
    said = subprocess.run(program, capture_output=True, text=True, check=True, timeout=60).stdout
    assert said.splitlines() == [
        (
            "[access_tokens] jwks_file (STRONGROOM_VAULT_ACCESS_TOKENS_JWKS_FILE): this user may"
            f" not read {path}"
        ),
        AS_ITS_USER,
    ]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_that_others_can_read(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "user.pin"
    path.write_bytes(b"1234")
    path.chmod(mode)
    for look in (PIN_FILE.read_secret, PIN_FILE.require_secret):
        error = refused(look, path)
        assert str(error).endswith(f"(STRONGROOM_VAULT_TOKEN_PIN_FILE): others can read {path}")
        assert "give it mode 0600" in error.hint
    assert PIN_FILE.read(path) == b"1234"
    path.chmod(0o400)
    assert PIN_FILE.read_secret(path) == b"1234"


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_trust_that_others_can_write(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(b"{}")
    path.chmod(mode)
    error = refused(JWKS_FILE.require_trusted, path)
    assert str(error).endswith(f"others can write {path}")
    assert "give it mode 0644" in error.hint
    path.chmod(0o644)
    JWKS_FILE.require_trusted(path)
