"""What it takes to connect: access tokens and certificates from files, or a sentence why not."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from tls_servers import certificate

from strongroom.cli.target import (
    BadFile,
    BadTokenFile,
    NoAccessToken,
    Roots,
    Target,
    TokenSource,
    read_certificates,
    read_token,
)
from strongroom.cli.token_command import TokenCommand
from strongroom.errors import AccountUnknown

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def target(tokens: TokenSource) -> Target:
    return Target("vault.example:7443", Roots(), tokens, frozenset())


def test_a_token_comes_from_its_file_as_it_is_now(
    tmp_path: Path, token_of: Callable[[str], str]
) -> None:
    source = TokenSource(file=token_of("alice"))
    assert source
    assert str(source) == source.file
    assert target(source).account() == "alice"
    (tmp_path / "token-of-alice").write_text("e30.e30.c2ln\n")
    assert source.reader()() == "e30.e30.c2ln"


def test_or_from_a_command() -> None:
    command = shlex.join([sys.executable, "-S", "-c", "print('e30.e30.c2ln')"])
    source = TokenSource(command=command)
    assert source.read() == "e30.e30.c2ln"
    assert str(source) == f"`{command}`"
    assert isinstance(source.reader(), TokenCommand)  # it can be renewed


def test_without_either_it_says_what_to_name() -> None:
    assert not TokenSource()
    with pytest.raises(NoAccessToken) as refused:
        TokenSource().read()
    assert "--access-token-file" in refused.value.hint
    assert "--access-token-command" in refused.value.hint


@pytest.mark.parametrize("data", [b"", b"e30.e30.c2ln e30.e30.c2ln", b"\xff\xfea\0.\0b\0"])
def test_a_file_with_anything_else_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(data)
    with pytest.raises(BadTokenFile, match=str(path)):
        read_token(str(path))


def test_a_file_that_is_far_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadFile, match="too large"):
        read_token(str(path))
    with pytest.raises(BadFile, match="too large"):
        read_certificates(str(path))


def test_a_token_that_names_nobody_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("e30.e30.c2ln")
    with pytest.raises(AccountUnknown, match="names no account") as refused:
        target(TokenSource(file=str(tmp_path / "token"))).account()
    assert str(tmp_path / "token") in str(refused.value)


def test_certificates_come_from_a_file_or_an_invite(tmp_path: Path) -> None:
    path = certificate(tmp_path)
    assert Roots(file=str(path)).read() == path.read_bytes()
    assert Roots(pem="PEM").read() == b"PEM"
    assert Roots().read() is None
    assert [bool(roots) for roots in (Roots("x"), Roots(pem="x"), Roots())] == [True, True, False]
    (tmp_path / "text").write_text("text")
    with pytest.raises(BadFile, match="no PEM certificate"):
        Roots(file=str(tmp_path / "text")).read()
    with pytest.raises(FileNotFoundError):
        Roots(file=str(tmp_path / "missing")).read()
