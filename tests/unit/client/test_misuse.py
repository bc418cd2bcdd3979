"""What an application does wrong is told by the call that it did wrong, and typed."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from lying_vault import KEY, PASSWORD, LyingVault, drive
from tls_servers import certificate

from strongroom import (
    AsyncVault,
    AttemptLimitRefused,
    BackupKey,
    BadAddress,
    BadCertificates,
    BadIdentity,
    ProtectionUncertain,
    StrongroomError,
    Vault,
    VaultClosed,
    WrongVault,
    registration,
)
from strongroom_protocol.addresses import meant

if TYPE_CHECKING:
    from pathlib import Path

GOOD = "Aytld0ZOuqnrXJIXYOEUbz7TqralPQF7X8IcwG_kqDqe"


def connect(kind: type[Any] = Vault, **options: Any) -> Any:
    options = {"address": "localhost:1", "access_token": "a", "account": "alice", **options}
    return kind.connect(options.pop("address"), timeout=options.pop("timeout", 0.3), **options)


# Addresses


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
    assert meant(written) == address


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


# Arguments


@pytest.mark.parametrize(
    "identity",
    ["junk", "", " ", GOOD[:-1], GOOD + "A", "A" * 44, GOOD[:20] + "!" + GOOD[21:], "9" * 5000],
)
def test_what_is_no_identity_is_refused_at_connect(identity: str) -> None:
    for kind in (Vault, AsyncVault):
        with pytest.raises(BadIdentity) as error:
            connect(kind, identity=identity)
        assert isinstance(error.value, WrongVault)
        assert "44 characters" in error.value.hint


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


@pytest.mark.parametrize("secret", ["a" * 32, bytearray(32), None, 32, [0] * 32])
def test_a_backup_key_is_made_of_bytes(secret: Any) -> None:
    with pytest.raises(TypeError):
        BackupKey(secret)
    for size in (0, 31, 33):
        with pytest.raises(ValueError, match="32 bytes"):
            BackupKey(bytes(size))


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


# Attempt limits


@pytest.mark.parametrize("limit", [0, 1, 2, 11, -1, 2**32, 10**5000], ids=range(7))
def test_an_attempt_limit_out_of_bounds_is_refused_before_the_first_message(limit: int) -> None:
    vault = LyingVault()
    with pytest.raises(AttemptLimitRefused) as error:
        drive(registration.protect(vault.party, PASSWORD, KEY, limit), vault)
    assert (error.value.minimum, error.value.maximum) == (3, 10)
    assert error.value.attempt_limit == limit
    assert "3 to 10" in str(error.value)
    assert vault.asked == []


@pytest.mark.parametrize("limit", ["5", 5.0, True, b"5"])
def test_an_attempt_limit_is_an_int(limit: Any) -> None:
    vault = LyingVault()
    with pytest.raises(TypeError):
        drive(registration.protect(vault.party, PASSWORD, KEY, limit), vault)
    assert vault.asked == []


# Closed


async def test_a_closed_vault_says_so() -> None:
    vault = connect(timeout=30)
    vault.close()
    vault.close()
    for call in (vault.status, vault.delete, lambda: vault.recover(PASSWORD), lambda: vault.info):
        with pytest.raises(VaultClosed):
            call()
    other = connect(AsyncVault, timeout=30)
    await other.close()
    await other.close()
    for waited in (other.status(), other.delete(), other.recover(PASSWORD), other.info()):
        with pytest.raises(VaultClosed):
            await waited


async def test_a_vault_that_is_closed_while_it_waits(tmp_path: Path) -> None:
    """The vault takes the connection, and never answers."""
    pem = certificate(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        vault = connect(address=address, timeout=60, ca_certificates=pem)
        closing = threading.Timer(0.2, vault.close)
        closing.start()
        with pytest.raises(VaultClosed) as error:
            vault.status()
        assert error.value.follows_lost_answer
        closing.join()
        other = connect(AsyncVault, address=address, timeout=60, ca_certificates=pem)
        asking = asyncio.create_task(other.status())
        await asyncio.sleep(0.2)
        await other.close()
        with pytest.raises(VaultClosed) as error:
            await asking
        assert error.value.follows_lost_answer


async def test_a_task_that_is_cancelled_is_not_called_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        vault = connect(
            AsyncVault, address=address, timeout=60, ca_certificates=certificate(tmp_path)
        )
        asking = asyncio.create_task(vault.status())
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await vault.close()


def test_a_registration_that_was_closed_on_the_way_may_have_had_its_effect() -> None:
    vault = LyingVault()

    def closed(_: object) -> StrongroomError:
        error = VaultClosed()
        error.follows_lost_answer = True
        raise error

    vault.stands_in.update(FinishRegistration=closed, GetKey=closed)
    with pytest.raises(ProtectionUncertain):
        drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
