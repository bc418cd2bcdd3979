"""Who cannot reach a vault is told why, and at once if waiting would not help."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pexpect
import pytest
from person import PROGRAM
from tls_servers import certificate, closed_port, says, serving, shakes_hands

from strongroom import AsyncVault, UnreachableCause, Vault, VaultUnreachable
from strongroom.cli.progress import while_retrying
from strongroom.diagnosis import Diagnosis, Finding
from strongroom.proxies import proxy_to
from strongroom_protocol.addresses import normalised

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
    options = {"timeout": 60, "account": "alice", "access_token": "a", **options}
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


def test_a_name_that_cannot_be_looked_up_now_may_be_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    found = Diagnosis("vault.example:1", None, None).result()
    assert found.cause is CAUSE.LOOKUP_FAILED
    assert not found.cause.is_lasting


def test_a_family_that_the_system_does_not_know_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel without IPv6, and a name with addresses of both families."""
    pem = certificate(tmp_path)
    with serving(shakes_hands(pem, "http/1.1")) as port:
        unknown = (socket.AF_DECnet, socket.SOCK_STREAM, 0, "", ("", 0))
        known = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [unknown, known])
        found = Diagnosis(f"localhost:{port}", pem.read_bytes(), None).result()
    assert found.cause is CAUSE.NOT_A_VAULT


def test_a_search_ends_in_time_and_says_how_far_it_came(tmp_path: Path) -> None:
    """A host that takes the connection and then says nothing, such as a vault that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        search = Diagnosis(address, certificate(tmp_path).read_bytes(), None, 0.3)
        assert search.result() == Finding(CAUSE.NO_ANSWER)
        assert time.monotonic() - began < AT_ONCE_S
        search.future.result(AT_ONCE_S)  # its thread ends too


def test_each_cause_has_words() -> None:
    for cause in CAUSE:
        error = Diagnosis("localhost:1", None, None, 0).error(Finding(cause, "the detail"))
        assert "localhost" in str(error)
        assert "{" not in str(error) + error.hint
        assert error.hint


# gRPC's own log

QUIET = """
import os, sys
from strongroom import StrongroomError, Vault
before = dict(os.environ)
try:
    with Vault.connect(sys.argv[1], access_token="a", account="alice", timeout=1) as vault:
        vault.status()
except StrongroomError as error:
    print(error.cause)
assert dict(os.environ) == before
"""


@pytest.mark.parametrize("chosen", [None, "INFO"])
def test_grpc_writes_nothing_unless_somebody_asked_for_it(
    tmp_path: Path, chosen: str | None
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    if chosen is not None:
        environment["GRPC_VERBOSITY"] = chosen
    with serving(shakes_hands(certificate(tmp_path))) as port:
        done = subprocess.run(
            [sys.executable, "-c", QUIET, f"localhost:{port}"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert done.stdout == "certificate_untrusted\n"
    assert bool(done.stderr) == (chosen is not None)


# The command


def environment_of(folder: Path, address: str) -> dict[str, str]:
    claims = urlsafe_b64encode(json.dumps({"sub": "alice"}).encode()).decode().rstrip("=")
    (folder / "token").write_text(f"e30.{claims}.e30\n")
    return {
        **os.environ,
        "STRONGROOM_HOME": str(folder / "home"),
        "STRONGROOM_VAULT": address,
        "STRONGROOM_ACCESS_TOKEN_FILE": str(folder / "token"),
    }


def test_the_command_says_that_it_is_still_trying(tmp_path: Path) -> None:
    with closed_port() as port:
        environment = environment_of(tmp_path, f"localhost:{port}")
        terminal: Any = pexpect.spawn(
            PROGRAM, ["status"], env=environment, encoding="utf-8", timeout=60, dimensions=(24, 200)
        )
        terminal.expect_exact(f"localhost:{port} refuses the connection. Trying again")
        terminal.sendintr()
        terminal.expect(pexpect.EOF)
        terminal.close()


def test_it_says_so_once_and_to_nobody_but_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    while_retrying(said.append)(VaultUnreachable())
    assert said == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    tell = while_retrying(said.append)
    tell(VaultUnreachable())
    tell(VaultUnreachable())
    assert [text.count("Trying again") for text in said] == [1]


def test_the_command_says_what_is_wrong_with_a_certificate(tmp_path: Path) -> None:
    with serving(shakes_hands(certificate(tmp_path))) as port:
        done = subprocess.run(
            [PROGRAM, "status"],
            env=environment_of(tmp_path, f"https://localhost:{port}/"),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 5
    assert done.stderr.startswith(f"strongroom: The TLS certificate of localhost:{port} is not ")
    assert "--ca-file" in done.stderr
    assert len(done.stderr.splitlines()) == 2


# Proxies


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "grpc_proxy", "http_proxy"])
@pytest.mark.parametrize("address", ["localhost:1", "127.8.9.10:1", "[::1]:1", "LOCALHOST.:1"])
def test_no_proxy_leads_to_this_machine(variable: str, address: str) -> None:
    environment = {variable: "http://proxy.example:3128"}
    assert proxy_to(normalised(address), environment) is None
    assert proxy_to("localhost.example:1", environment) is not None


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"https_proxy": "http://u:s3cret@proxy.example:3128"}, "proxy.example:3128 (https_proxy)"),
        ({"HTTPS_PROXY": "proxy.example"}, "proxy.example:80 (HTTPS_PROXY)"),
        ({"https_proxy": "http://[2001:db8::1]:8"}, "[2001:db8::1]:8 (https_proxy)"),
        ({"HTTP_PROXY": "http://a:1", "grpc_proxy": "http://b:2"}, "b:2 (grpc_proxy)"),
        ({"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, None),
        ({"https_proxy": "socks5://a:1"}, None),
        ({"https_proxy": "http://a:99999"}, None),
        ({"https_proxy": ""}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "*"}, None),
        ({"https_proxy": "http://a:1", "NO_PROXY": "other, .example"}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "vault.example"}, None),
        ({"https_proxy": "http://a:1", "no_grpc_proxy": "*.example"}, None),
        ({"https_proxy": "http://a:1", "no_proxy": "lt.example,192.0.2.0/24"}, "a:1 (https_proxy)"),
    ],
)
def test_the_proxy_that_the_environment_names(
    environment: dict[str, str], place: str | None
) -> None:
    proxy = proxy_to("vault.example:7443", environment)
    assert (None if proxy is None else str(proxy)) == place
    assert "s3cret" not in repr(proxy)


def test_networks_without_a_proxy() -> None:
    environment = {"https_proxy": "http://a:1", "no_proxy": "192.0.2.0/24,2001:db8::/32"}
    assert proxy_to("192.0.2.7:1", environment) is None
    assert proxy_to("[2001:db8::7]:1", environment) is None
    assert proxy_to("198.51.100.7:1", environment) is not None


@pytest.mark.parametrize("reply", [None, b"HTTP/1.1 403 Forbidden\r\n\r\n", b"\x1b[31mhello"])
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
