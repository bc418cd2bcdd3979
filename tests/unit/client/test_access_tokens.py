"""What cannot be an access token is named before it is sent, wherever it comes from."""

from __future__ import annotations

import json
import subprocess
from base64 import urlsafe_b64encode
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from person import PROGRAM
from tls_servers import closed_port

from strongroom import AccessTokenInvalid, AsyncVault, NotAnAccessToken, Vault
from strongroom.access_tokens import cleaned
from strongroom.cli.target import BadFile, BadTokenFile, read_token
from strongroom_protocol.labels import ACCESS_TOKEN_MAX_SIZE

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = f"e30.{urlsafe_b64encode(json.dumps({'sub': 'alice'}).encode()).decode().rstrip('=')}.c2ln"
NO_TOKENS = {
    "": "empty",
    " \r\n\t ": "empty",
    "\ufeff": "empty",
    f"{TOKEN} {TOKEN}": "white space within",
    f"{TOKEN}\n{TOKEN}\n": "white space within",
    f"Bearer {TOKEN}": "Bearer",
    f'{{"access_token":"{TOKEN}"}}': "characters",
    f'"{TOKEN}"': "characters",
    f"{TOKEN}\0": "characters",
    f"{TOKEN}\x1b[31m": "characters",
    f"{TOKEN}\u2026": "characters",
    "\u0661\u0662.a.b": "characters",
    TOKEN.encode("utf-16-le").decode("latin-1"): "characters",
    "a" * (ACCESS_TOKEN_MAX_SIZE + 1): "4097 characters",
    "9" * 5000: "5000 characters",
}


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {}\t", "\ufeff{}", "\n\n{}\u00a0"])
def test_white_space_around_a_token_does_not_count(around: str) -> None:
    assert cleaned(around.format(TOKEN)) == TOKEN
    with connect(Vault, around.format(TOKEN)) as vault:
        assert vault.account == "alice"


def connect(kind: type[Any], token: Any, port: int = 1) -> Any:
    return kind.connect(f"localhost:{port}", access_token=token, timeout=0.3)


@pytest.mark.parametrize(("text", "word"), NO_TOKENS.items(), ids=range(len(NO_TOKENS)))
async def test_what_cannot_be_a_token(text: str, word: str) -> None:
    """Nobody listens on that port, so each of these is an error of before the first call."""

    async def fresh() -> str:
        return text

    for token in (text, lambda: text):
        with connect(Vault, token) as vault:
            for call in (vault.status, vault.delete, partial(vault.recover, "a password")):
                with pytest.raises(NotAnAccessToken, match=word) as error:
                    call()
                assert isinstance(error.value, AccessTokenInvalid)
                assert TOKEN not in str(error.value)
                assert str(error.value).isprintable()
            with pytest.raises(NotAnAccessToken):
                _ = vault.account
    for given in (text, lambda: text, fresh):
        async with connect(AsyncVault, given) as vault:
            with pytest.raises(NotAnAccessToken, match=word):
                await vault.status()


@pytest.mark.parametrize("given", [None, 5, b"a.b.c", TOKEN.encode(), [TOKEN]])
async def test_a_token_of_another_type(given: Any) -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(TypeError, match="access_token is a str"):
            connect(kind, given)
    with connect(Vault, lambda: given) as vault, pytest.raises(TypeError, match="access token"):
        vault.status()
    async with connect(AsyncVault, lambda: given) as vault:
        with pytest.raises(TypeError, match="access token"):
            await vault.status()


async def test_an_async_function_of_tokens_is_for_the_async_vault() -> None:
    async def fresh() -> str:
        return TOKEN + "\n"

    with pytest.raises(TypeError, match="AsyncVault"):
        connect(Vault, fresh)


FILES = {
    "utf-16": TOKEN.encode("utf-16"),
    "utf-16-be": b"\xfe\xff" + TOKEN.encode("utf-16-be"),
    "utf-16 without a mark": TOKEN.encode("utf-16-le"),
    "two": f"{TOKEN}\n{TOKEN}".encode(),
    "not text": b"\xff\x00\x80",
    "latin-1": "tök".encode("latin-1"),
    "empty": b"",
    "json": json.dumps({"access_token": TOKEN}).encode(),
    "large": b"a" * 70_000,
    "long": b"a" * 5000,
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_token(tmp_path: Path, name: str) -> None:
    path = tmp_path / "token"
    path.write_bytes(FILES[name])
    with pytest.raises(BadFile) as error:
        read_token(str(path))
    assert str(error.value).startswith(f"{path}: ")
    assert TOKEN not in str(error.value)


def test_the_command_names_the_file_that_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(FILES["utf-16"])
    with closed_port() as port:
        done = subprocess.run(
            [PROGRAM, "status", "--vault", f"localhost:{port}", "--access-token-file", str(path)],
            env={"STRONGROOM_HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,  # a call would be repeated for 30 s
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"strongroom: {path}: ")
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stderr


def test_a_file_with_a_byte_order_mark_of_utf_8_and_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(b"\xef\xbb\xbf" + TOKEN.encode() + b"\r\n\r\n")
    assert read_token(str(path)) == TOKEN


def test_the_error_of_a_file_is_the_error_of_a_token(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_bytes(TOKEN.encode("utf-16"))
    with pytest.raises(BadTokenFile, match="UTF-16") as error:
        read_token(str(path))
    assert isinstance(error.value, NotAnAccessToken)
