"""What an application gives to `connect` and to calls is checked before a vault is called."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from lying_vault import PASSWORD
from tls_servers import certificate

from strongroom import (
    AccountMismatch,
    AccountUnknown,
    AsyncVault,
    BackupKey,
    BadAddress,
    BadCertificates,
    Vault,
)
from strongroom.attempts import InMemory
from strongroom.identity import decode_identity
from strongroom_protocol.addresses import parse_address
from strongroom_protocol.invite import Invite

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"


def connect(kind: type[Any] = Vault, **options: Any) -> Any:
    options = {"address": "localhost:1", "access_token": "a", "account": "alice", **options}
    return kind.connect(options.pop("address"), timeout=options.pop("timeout", 0.3), **options)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("vault.example:7443", "vault.example:7443"),
        ("https://vault.example:7443", "vault.example:7443"),
        ("HTTPS://Vault.example:7443/\n", "vault.example:7443"),
        ("https://vault.example", "vault.example:443"),
        ("https://[2001:DB8::1]:7443/", "[2001:db8::1]:7443"),
        ("unix:7443", "unix:7443"),
    ],
)
def test_an_address_is_what_was_evidently_meant(written: str, address: str) -> None:
    assert parse_address(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "vault.example",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "::1",
        "",
        "http://vault.example:7443",
        "grpc://vault.example:7443",
        "dns:///vault.example:7443",
        "unix:/run/vault",
        "https://",
        "https:///",
        "https://user@vault.example:7443",
        "https://vault.example:7443/path",
        "https://vault.example:7443//",
        "https://vault.example:7443?a=b",
        "vault.example:7443/",
        "vault.example:" + "9" * 5000,
        "v" * 100_000 + "!",
        "vault.example:74\x1b[31m43",
    ],
    ids=range(20),
)
def test_what_is_no_address_is_refused_before_anything_else(written: str) -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(BadAddress) as error:
            connect(kind, address=written)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 500
        assert "7443" in error.value.hint


def test_an_address_without_a_port_is_told_so() -> None:
    with pytest.raises(BadAddress, match=r"vault\.example names no port"):
        connect(address="vault.example")


@pytest.mark.parametrize(
    "options",
    [
        {"address": None},
        {"address": b"localhost:1"},
        {"identity": GOOD.encode()},
        {"identity": 5},
        {"vault_id": 5},
        {"account": b"alice"},
        {"timeout": "5"},
        {"timeout": True},
        {"timeout": None},
        {"stretching": 5},
    ],
)
def test_an_argument_of_another_type(options: dict[str, Any]) -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(TypeError):
            connect(kind, **options)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan"), 10**5000], ids=range(5))
def test_a_timeout_out_of_bounds(timeout: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        connect(timeout=timeout)


@pytest.mark.parametrize(
    "junk",
    [b"", b"junk", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff" * 99],
)
def test_certificates_that_are_none(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "ca.pem"
    path.write_bytes(junk)
    for given in (junk, path, str(path)):
        with pytest.raises(BadCertificates):
            connect(ca_certificates=given)


def test_certificates_with_notes_between_them(tmp_path: Path) -> None:
    pem = certificate(tmp_path).read_bytes()
    connect(ca_certificates="# Añejo Root\n".encode() + pem + "größer\n".encode() + pem).close()


async def test_a_key_and_a_password_of_another_type_reach_no_vault() -> None:
    key, digits = BackupKey.generate(), "a" * 64
    with connect() as vault:
        for call in (
            partial(vault.protect, digits, PASSWORD),
            partial(vault.protect, key, b"password"),
            partial(vault.protect, key, PASSWORD, before_commit="keep"),
            partial(vault.recover, None),
            partial(vault.rehearse, PASSWORD, digits),
        ):
            with pytest.raises(TypeError):
                call()
    async with connect(AsyncVault) as vault:
        for waited in (
            vault.protect(digits, PASSWORD),
            vault.protect(key, b"password"),
            vault.recover(5),
            vault.rehearse(PASSWORD, digits),
        ):
            with pytest.raises(TypeError):
                await waited


def token(account: str, number: int = 0) -> str:
    """An access token as far as a client reads it."""
    claims = urlsafe_b64encode(json.dumps({"sub": account}).encode()).decode().rstrip("=")
    return f"e30.{claims}.{number}"


def test_the_account_is_the_first_tokens_and_stays() -> None:
    tokens = iter([token("alice"), token("alice", 1), token("bob")])
    vault = connect(account=None, access_token=lambda: next(tokens))
    assert vault.account == "alice"
    assert vault.account == "alice"
    with pytest.raises(AccountMismatch):
        _ = vault.account


def test_a_token_of_another_account_than_the_named_one() -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(AccountMismatch):
            _ = connect(kind, access_token=token("bob")).account


def test_an_invite_takes_the_place_of_what_it_says() -> None:
    identity = decode_identity(GOOD)
    invite = Invite("vault.example:7443", "vault.example", identity, bytes(32)).encode()
    connect(address=None, invite=invite).close()
    for beside in ({"identity": GOOD}, {"vault_id": "vault.example"}, {"ca_certificates": b"PEM"}):
        with pytest.raises(TypeError, match="invite"):
            connect(address=None, invite=invite, **beside)
    with pytest.raises(TypeError, match="invite=") as error:
        connect(address=invite)
    assert "strongroom1" not in str(error.value)


def test_a_pending_attempt_is_told_and_a_vault_is_unproven_at_first() -> None:
    kept = InMemory()
    vault = connect(pending=kept)
    assert (vault.is_attempt_pending, vault.is_proven) == (False, False)
    kept.save(bytes(32))
    assert vault.is_attempt_pending
    assert not connect().is_attempt_pending


def test_an_async_function_of_tokens_is_for_async_vaults() -> None:
    async def tokens() -> str:
        return "a"

    with pytest.raises(TypeError, match="AsyncVault"):
        connect(access_token=tokens)
    with pytest.raises(AccountUnknown, match="first call"):
        _ = connect(AsyncVault, access_token=tokens, account=None).account
    for kind in (Vault, AsyncVault):
        with pytest.raises(TypeError, match="access_token"):
            connect(kind, access_token=5)
