"""Modes of files with secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import refuse_readable_by_others

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_secret_is_its_owners_alone(tmp_path: Path, mode: int) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    secret.chmod(mode)
    with pytest.raises(OperatorError, match="others can read the PIN"):
        refuse_readable_by_others(secret, "the PIN ")
    secret.chmod(0o600)
    refuse_readable_by_others(secret)


def test_a_credential_of_systemd_may_have_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands for an access control list that names the service's user alone."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    for folder, is_good in ((credentials, True), (tmp_path, False)):
        secret = folder / "user.pin"
        secret.touch()
        secret.chmod(0o440)
        if is_good:
            refuse_readable_by_others(secret)
        else:
            with pytest.raises(OperatorError):
                refuse_readable_by_others(secret)
    (credentials / "user.pin").chmod(0o444)
    with pytest.raises(OperatorError):
        refuse_readable_by_others(credentials / "user.pin")


def test_a_secret_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="does not exist"):
        refuse_readable_by_others(tmp_path / "none")
