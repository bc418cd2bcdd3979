"""Who cannot reach a vault is told why, at once if waiting would not help; what closing does."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from lying_vault import PASSWORD
from tls_servers import certificate, closed_port, says, serving, shakes_hands

from strongroom import AsyncVault, UnreachableCause, Vault, VaultClosed, VaultUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom import StrongroomError

CAUSE = UnreachableCause
AT_ONCE_S = 10.0
"""A request has 60 seconds here: what ends sooner was not repeated, on a slow machine too."""


def places(stack: ExitStack, folder: Path) -> dict[str, tuple[str, Path | None]]:
    """Addresses where no vault is, and what is trusted there."""

    def tls(pem: Path, alpn: str = "h2") -> str:
        return f"localhost:{stack.enter_context(serving(shakes_hands(pem, alpn)))}"

    good = certificate(folder)
    expired = certificate(folder, ends_in=-1)
    future = certificate(folder, begins_in=1)
    other = certificate(folder, "vault.example")
    web = stack.enter_context(serving(says(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
    return {
        "certificate_untrusted": (tls(good), None),
        "certificate_expired": (tls(expired), expired),
        "certificate_not_yet_valid": (tls(future), future),
        "certificate_other_name": (tls(other), other),
        "not_a_vault": (f"localhost:{web}", good),
        "unknown_host": ("vault.invalid:7443", good),
    }


def connect(kind: type[Any], address: str, trusted: Path | None, **options: Any) -> Any:
    options = {"timeout": 60, "account": "alice", "access_token": "e30.e30.c2ln", **options}
    return kind.connect(address, ca_certificates=trusted, **options)


async def test_what_cannot_get_better_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lookup = socket.getaddrinfo

    def without_a_network(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "vault.invalid":  # RFC 6761: there is none; this machine may have no DNS to ask
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return lookup(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", without_a_network)
    with ExitStack() as stack:
        for cause, (address, trusted) in places(stack, tmp_path).items():
            retried: list[StrongroomError] = []
            began = time.monotonic()
            with (
                connect(Vault, address, trusted, retrying=retried.append) as vault,
                pytest.raises(VaultUnreachable) as error,
            ):
                vault.status()
            async with connect(AsyncVault, address, trusted, retrying=retried.append) as vault:
                with pytest.raises(VaultUnreachable) as other:
                    await vault.status()
            assert time.monotonic() - began < AT_ONCE_S, cause
            assert not retried
            for found in (error.value, other.value):
                assert found.cause is CAUSE(cause)
                assert found.cause.is_lasting
                assert found.address == address
                assert address.rpartition(":")[0] in str(found)
                assert found.hint != VaultUnreachable.hint


def test_another_protocol_over_tls_is_no_vault(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with (
        serving(shakes_hands(pem, "http/1.1")) as port,
        connect(Vault, f"localhost:{port}", pem) as vault,
        pytest.raises(VaultUnreachable) as error,
    ):
        vault.status()
    assert error.value.cause is CAUSE.NOT_A_VAULT
    assert "HTTP/2" in str(error.value)


async def test_what_may_get_better_is_tried_again_and_said(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with closed_port() as port, serving(shakes_hands(pem)) as mute:
        for cause, where in ((CAUSE.REFUSED, port), (CAUSE.NO_ANSWER, mute)):
            address, retried = f"localhost:{where}", list[Any]()
            options: dict[str, Any] = {"timeout": 1.5, "retrying": retried.append}
            with (
                connect(Vault, address, pem, **options) as vault,
                pytest.raises(VaultUnreachable) as error,
            ):
                vault.status()
            assert error.value.cause is cause
            assert str(error.value) == str(retried[0])
            async with connect(AsyncVault, address, pem, **options) as vault:
                with pytest.raises(VaultUnreachable) as error:
                    await vault.status()
            assert error.value.cause is cause
            assert address in str(error.value)
            assert len(retried) >= 2


@pytest.mark.parametrize(
    "reply", [None, b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"\x1b[31mhello"]
)
def test_a_proxy_that_does_not_lead_there_is_named(
    monkeypatch: pytest.MonkeyPatch, reply: bytes | None
) -> None:
    with ExitStack() as stack:
        port = stack.enter_context(closed_port() if reply is None else serving(says(reply)))
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("https_proxy", f"http://someone:s3cret@127.0.0.1:{port}")
        with (
            connect(Vault, "vault.invalid:7443", None, timeout=1) as vault,
            pytest.raises(VaultUnreachable) as error,
        ):
            vault.status()
    found = error.value
    assert found.cause is CAUSE.PROXY
    assert found.proxy == f"127.0.0.1:{port} (https_proxy)"
    assert found.proxy in str(found)
    assert "s3cret" not in str(found) + found.hint + found.proxy
    assert "\x1b" not in str(found)


@pytest.mark.parametrize("number", ["403", "407", "405"])
def test_a_proxy_that_refuses_is_not_asked_again(
    monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    retried: list[StrongroomError] = []
    with serving(says(f"HTTP/1.1 {number} No\r\n\r\n".encode())) as port:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        began = time.monotonic()
        with (
            connect(Vault, "vault.invalid:7443", None, retrying=retried.append) as vault,
            pytest.raises(VaultUnreachable) as error,
        ):
            vault.status()
    assert error.value.cause is CAUSE.PROXY_REFUSES
    assert number in str(error.value)
    assert not retried
    assert time.monotonic() - began < AT_ONCE_S


async def test_a_proxy_that_does_not_exist_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", no_such_host)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    retried: list[StrongroomError] = []
    began = time.monotonic()
    with (
        connect(Vault, "vault.example:7443", None, retrying=retried.append) as vault,
        pytest.raises(VaultUnreachable) as error,
    ):
        vault.status()
    async with connect(AsyncVault, "vault.example:7443", None, retrying=retried.append) as other:
        with pytest.raises(VaultUnreachable):
            await other.status()
    assert error.value.cause is CAUSE.UNKNOWN_PROXY
    assert "proxy.invalid:3128 (https_proxy)" in str(error.value)
    assert "no_proxy" in error.value.hint
    assert not retried
    assert time.monotonic() - began < AT_ONCE_S


def no_such_host(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def test_what_is_behind_a_proxy_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shake = shakes_hands(certificate(tmp_path, "vault.invalid"))
    asked: list[bytes] = []

    def through(connection: socket.socket) -> None:
        asked.append(connection.recv(4096))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        shake(connection)

    with serving(through) as port:
        monkeypatch.setenv("no_proxy", "")
        monkeypatch.setenv("HTTPS_PROXY", f"http://someone:p%40ss@127.0.0.1:{port}")
        with (
            connect(Vault, "vault.invalid:7443", None) as vault,
            pytest.raises(VaultUnreachable) as error,
        ):
            vault.status()
    assert error.value.cause is CAUSE.CERTIFICATE_UNTRUSTED
    assert "127.0.0.1" in error.value.hint
    assert len(asked) >= 2  # gRPC's and ours log in alike
    assert all(b"Proxy-Authorization: Basic c29tZW9uZTpwQHNz" in text for text in asked)


async def test_a_closed_vault_says_so() -> None:
    vault = connect(Vault, "localhost:1", None, timeout=30)
    vault.close()
    vault.close()
    for call in (vault.status, vault.delete, lambda: vault.recover(PASSWORD), vault.info):
        with pytest.raises(VaultClosed):
            call()
    other = connect(AsyncVault, "localhost:1", None, timeout=30)
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
        vault = connect(Vault, address, pem)
        closing = threading.Timer(0.2, vault.close)
        closing.start()
        with pytest.raises(VaultClosed) as error:
            vault.status()
        assert error.value.follows_lost_answer
        closing.join()
        other = connect(AsyncVault, address, pem)
        asking = asyncio.create_task(other.status())
        await asyncio.sleep(0.2)
        await other.close()
        with pytest.raises(VaultClosed) as error:
            await asking
        assert error.value.follows_lost_answer


async def test_a_task_that_is_cancelled_is_not_called_closed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"localhost:{silent.getsockname()[1]}"
        vault = connect(AsyncVault, address, certificate(tmp_path))
        asking = asyncio.create_task(vault.status())
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await vault.close()
