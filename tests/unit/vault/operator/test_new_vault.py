"""The folder of a new vault. `tests/integration/test_new_vault.py` runs the command."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

import pytest
from vault_process import SoftHsm, prepare_vault

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import new_vault
from strongroom_vault.settings import loading
from strongroom_vault.settings.template import HsmToken

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("address", "hosts"),
    [
        ("localhost:7443", ("localhost", "127.0.0.1", "::1")),
        ("vault.example:7443", ("vault.example", "localhost", "127.0.0.1", "::1")),
    ],
)
def test_a_certificate_is_for_the_address_and_for_this_machine(
    address: str, hosts: tuple[str, ...]
) -> None:
    assert new_vault._hosts(address) == hosts


def test_the_address_decides_where_to_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_vault._listen_for("localhost:1") == "localhost:1"
    assert new_vault._listen_for("127.0.0.1:1") == "127.0.0.1:1"
    for has_ipv6, expected in ((True, "[::]:1"), (False, "0.0.0.0:1")):
        monkeypatch.setattr(new_vault, "_has_ipv6", lambda has=has_ipv6: has)
        assert new_vault._listen_for("vault.example:1") == expected


def test_why_an_address_cannot_be_had() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()
        assert new_vault._refusal(socket.AF_INET, taken) == errno.EADDRINUSE
        with pytest.raises(OperatorError, match="another program listens at"):
            new_vault._require_free(f"localhost:{taken[1]}")
    assert new_vault._refusal(socket.AF_INET, ("127.0.0.1", 0)) == 0
    assert new_vault._refusal(socket.AF_INET, ("203.0.113.1", 0)) == errno.EADDRNOTAVAIL
    with pytest.raises(OperatorError, match="name another address or port with --listen"):
        new_vault._require_free("203.0.113.1:1")
    with pytest.raises(OperatorError, match="--listen: "):
        new_vault._require_free("http://there")


def test_what_a_vault_lacks_is_said(tmp_path: Path) -> None:
    softhsm = SoftHsm(tmp_path, "/no/module.so", "label")
    settings = prepare_vault(tmp_path / "vault", softhsm).settings()
    assert list(new_vault.missing(settings)) == []
    settings.listen.key_file.unlink()
    assert settings.access_tokens.jwks_file is not None
    settings.access_tokens.jwks_file.unlink()
    tls, jwks = new_vault.missing(settings)
    assert str(settings.listen.key_file) in tls
    assert "--development-issuer" in jwks


def test_an_hsm_of_the_operators_own_gets_settings_alone(tmp_path: Path) -> None:
    token = HsmToken(tmp_path / "m.so", "partition", tmp_path / "pin")
    choice = new_vault.Choice("vault.example", "vault.example:47443", hsm=token)
    settings_file = new_vault.make(tmp_path / "vault", choice)
    assert list((tmp_path / "vault").iterdir()) == [settings_file]
    settings = loading.load(settings_file, {})
    assert (settings.token.label, settings.token.module) == ("partition", tmp_path / "m.so")
    before = settings_file.read_bytes()
    new_vault.make(tmp_path / "vault", choice)
    assert settings_file.read_bytes() == before


def test_a_mistake_leaves_no_folder(tmp_path: Path) -> None:
    folder = tmp_path / "vault"
    for choice in (
        new_vault.Choice("Not An Id", "vault.example:47443"),
        new_vault.Choice("vault.example", "vault.example"),
    ):
        with pytest.raises(OperatorError):
            new_vault.make(folder, choice)
    with pytest.raises(OperatorError, match="control characters"):
        new_vault.make(tmp_path / "a\nb", new_vault.Choice("v", "vault.example:47443"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (new_vault.Choice("Not An Id", "v.example:7443"), "--id must be 1 to 64 characters"),
        (new_vault.Choice("v", "v.example"), "--address: The address v.example names no port"),
        (new_vault.Choice("v", "v.example:1", listen="here"), "--listen must be host:port"),
        (new_vault.Choice("v", "v.example:1", jwks="https://["), "--jwks must be a URL"),
    ],
)
def test_a_mistake_is_told_in_the_options_name(
    tmp_path: Path, choice: new_vault.Choice, said: str
) -> None:
    with pytest.raises(OperatorError) as caught:
        new_vault.make(tmp_path / "vault", choice)
    assert str(caught.value).startswith(said)


def test_other_files_and_other_writers_are_refused(tmp_path: Path) -> None:
    choice = new_vault.Choice("vault.example", "vault.example:47443")
    folder = tmp_path / "vault"
    folder.mkdir()
    folder.chmod(0o770)
    with pytest.raises(OperatorError, match="others can write in"):
        new_vault.make(folder, choice)
    folder.chmod(0o700)
    (folder / "thesis.txt").touch()
    with pytest.raises(OperatorError, match=r"is not empty: it has thesis\.txt"):
        new_vault.make(folder, choice)
    assert [path.name for path in folder.iterdir()] == ["thesis.txt"]
