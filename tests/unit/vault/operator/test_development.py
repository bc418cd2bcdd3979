"""A vault for development: what it tells its clients. `test_first_day.py` runs one."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import jwt
import pytest

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import development, issuer, new_vault


def described(folder: Path, *, is_kept: bool = False) -> development.Development:
    return development.Development(
        folder=folder,
        invite="strongroom1abc",
        token_file=folder / development.TOKEN_FILE,
        token_command=("/opt/my vault", "token", "issue"),
        is_kept=is_kept,
    )


def test_a_program_gets_json(tmp_path: Path) -> None:
    fields = json.loads(described(tmp_path).as_json())
    assert fields == {
        "invite": "strongroom1abc",
        "address": "localhost:7443",
        "access_token_file": str(tmp_path / "access-token"),
        "access_token_command": "'/opt/my vault' token issue",
        "folder": str(tmp_path),
    }


def test_a_person_gets_lines_that_can_be_typed(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    lines = list(described(folder).lines())
    assert "FOR DEVELOPMENT" in lines[0]
    assert lines[1].endswith("removed at the end.")
    (enable,) = (line for line in lines if line.startswith("strongroom enable"))
    assert shlex.split(enable)[-1] == str(folder / "access-token")
    assert "removed" not in list(described(folder, is_kept=True).lines())[1]


def test_an_application_reads_the_access_token_each_time(tmp_path: Path) -> None:
    """One that is read once has expired a quarter of an hour later."""
    made = described(tmp_path)
    (connect,) = (line for line in made.lines() if line.startswith("vault = "))
    given = connect.partition("access_token=")[2].removesuffix(")")
    access_token = eval(given, {"Path": Path})  # noqa: S307 -- our own line, as an application has it
    for token in ("first", "second"):
        made.token_file.write_text(token)
        assert access_token() == token


def test_another_port_than_usual_is_told(tmp_path: Path) -> None:
    said = "\n".join(described(tmp_path).lines())
    assert "taken" not in said
    other = replace(described(tmp_path), address="localhost:4711", is_port_taken=True)
    said = "\n".join(other.lines())
    assert "Port 7443 is taken by another program, so it listens at localhost:4711." in said
    assert json.loads(other.as_json())["address"] == "localhost:4711"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_of_either_family_is_taken(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        port = other.getsockname()[1]
        assert not development._is_free(port)
        choice = new_vault.Choice(development.VAULT_ID, f"localhost:{port}")
        with pytest.raises(OperatorError, match=f"another program listens at localhost:{port}"):
            new_vault._require_free(choice.address)
    assert development._is_free(port)


def test_a_port_that_another_program_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        monkeypatch.setattr(development, "PORT", port)
        assert development._free_port() != port
    assert development._free_port() == port


async def test_the_access_token_is_there_before_anybody_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.create_issuer(tmp_path)
    made, tokens = described(tmp_path), []
    renewed = asyncio.Event()

    def say() -> None:
        tokens.append(made.token_file.read_text())
        assert stat.S_IMODE(made.token_file.stat().st_mode) == 0o600

    real = development._renew_access_token

    def renew(made: development.Development) -> None:
        real(made)
        if tokens:
            renewed.set()

    monkeypatch.setattr(development, "REFRESH_S", 0)
    monkeypatch.setattr(development, "_renew_access_token", renew)
    beside = asyncio.create_task(development._beside(made, say))
    await asyncio.wait_for(renewed.wait(), 30)
    beside.cancel()
    with suppress(asyncio.CancelledError):
        await beside
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    claims = jwt.decode(tokens[0], options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("alice", "development.vault")
    assert made.token_file.read_text() != tokens[0]


def test_another_vault_is_not_for_development(tmp_path: Path) -> None:
    new_vault.make(tmp_path, new_vault.Choice("vault.example", "localhost:47443"))
    with pytest.raises(OperatorError, match=r"vault.example, which is not one for development"):
        development._made(tmp_path, None)
    assert not (tmp_path / "vault.crt.pem").exists()


def test_a_kept_vault_keeps_its_address_and_its_authority(tmp_path: Path) -> None:
    first = development._made(tmp_path, 47443)
    authority = (tmp_path / "ca.crt.pem").read_bytes()
    certificate = (tmp_path / "vault.crt.pem").read_bytes()
    assert first.listen.public_address == "localhost:47443"
    assert development._made(tmp_path, None) == first
    assert development._made(tmp_path, 47443) == first
    with pytest.raises(OperatorError, match="listens at localhost:47443, which its invite names"):
        development._made(tmp_path, 47444)
    assert (tmp_path / "ca.crt.pem").read_bytes() == authority
    assert (tmp_path / "vault.crt.pem").read_bytes() != certificate
