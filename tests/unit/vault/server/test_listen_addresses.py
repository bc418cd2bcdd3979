"""host:port is every address that it stands for, or the error names the one that is not free."""

from __future__ import annotations

import errno
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog
from prometheus_client import CollectorRegistry

from strongroom_vault.errors import OperatorError
from strongroom_vault.server import listen_addresses, metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

V4, V6 = "127.0.0.1", "::1"


def reserved(address: str) -> list[str]:
    with listen_addresses.reserved(address) as addresses:
        return [str(each) for each in addresses]


@contextmanager
def in_use(host: str) -> Iterator[int]:
    """Another process listens at a port of one address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as other:
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", {V4, f"[{V6}]"}),
        (V4, {V4}),
        (f"[{V6}]", {f"[{V6}]"}),
        ("[::]", {"[::]"}),
        ("0.0.0.0", {"0.0.0.0"}),  # noqa: S104 -- nothing listens
    ],
)
def test_every_address_at_one_port(host: str, expected: set[str]) -> None:
    addresses = [each.rpartition(":") for each in reserved(f"{host}:0")]
    assert {name for name, _, _ in addresses} == expected
    (port,) = {port for _, _, port in addresses}
    assert int(port) > 0


@pytest.mark.parametrize(
    ("host", "other", "named"),
    [
        ("localhost", V4, f"{V4}:"),
        ("localhost", V6, f"[{V6}]:"),
        ("[::]", V4, "[::]:"),
        ("[::]", V6, "[::]:"),
        ("0.0.0.0", V4, "0.0.0.0:"),  # noqa: S104 -- as above
    ],
)
def test_a_port_that_another_process_has_at_one_address(host: str, other: str, named: str) -> None:
    with in_use(other) as port, pytest.raises(OperatorError) as refused:
        reserved(f"{host}:{port}")
    assert f"{named}{port}: another process listens there" in str(refused.value)


def test_one_family_alone_is_free_where_it_is_asked_for() -> None:
    with in_use(V6) as port:
        assert reserved(f"{V4}:{port}") == [f"{V4}:{port}"]


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("no.such.name.invalid", "no.such.name.invalid: "),
        ("a..b", "a..b: not a name"),
        ("203.0.113.5", "this machine has no such address"),
        ("[2001:db8::1]", "this machine has no such address"),
    ],
)
def test_what_is_no_address_of_this_machine(host: str, reason: str) -> None:
    with pytest.raises(OperatorError, match=r"cannot listen at ") as refused:
        reserved(f"{host}:7443")
    assert reason in str(refused.value)


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is at hand: the kernel's answer is given here."""

    class WithoutIpv6(socket.socket):
        def __init__(self, family: int, kind: int) -> None:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
            super().__init__(family, kind)

    monkeypatch.setattr(socket, "socket", WithoutIpv6)
    with structlog.testing.capture_logs() as lines:
        (address,) = reserved("localhost:0")
    assert address.startswith(f"{V4}:")
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("not listening", "warning")
    assert line["address"].startswith(f"[{V6}]:")
    (address,) = reserved("[::]:0")
    assert address.startswith("0.0.0.0:")


def test_metrics_are_served_at_each_address() -> None:
    with listen_addresses.reserved("localhost:0") as addresses:
        port = addresses[0].port
    stop = metrics.serve(CollectorRegistry(), f"localhost:{port}")
    try:
        for host in (V4, V6):
            socket.create_connection((host, port), timeout=10).close()
        with pytest.raises(OperatorError, match="another process listens there"):
            metrics.serve(CollectorRegistry(), f"[::]:{port}")
    finally:
        stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((V6, port), timeout=10)
