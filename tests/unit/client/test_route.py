"""How gRPC is told to reach a vault, and how long a diagnosis may take."""

from __future__ import annotations

from typing import Any

import pytest

from strongroom.diagnosis import SECONDS
from strongroom.route import DIAGNOSIS_SHARE, Route, Target

PEM = b"-----BEGIN CERTIFICATE-----"


def route(address: str = "vault.example:7443", **options: Any) -> Route:
    return Route(Target(address, "token", **options))


def test_an_address_is_never_taken_for_another_scheme() -> None:
    """To gRPC alone `unix:7443` is a socket, and a percent sign begins an escape."""
    assert route("unix:7443").uri == "dns:///unix:7443"
    assert route("[fe80::1%eth0]:7443").uri == "dns:///[fe80::1%25eth0]:7443"


def test_the_proxy_of_the_environment_is_told_to_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://u:p@proxy.example:3128")
    assert ("grpc.http_proxy", "http://u:p@proxy.example:3128") in route().options
    assert ("grpc.enable_http_proxy", 0) in route("localhost:7443").options
    monkeypatch.delenv("https_proxy")
    assert ("grpc.enable_http_proxy", 0) in route().options


def test_a_root_is_looked_for_where_its_fingerprint_alone_is_known() -> None:
    assert route("localhost:1").root_search(0.01) is None
    assert route("localhost:1", ca_certificates=PEM).root_search(0.01) is None
    fingerprinted = route("localhost:1", ca_fingerprint=bytes(32))
    assert fingerprinted.root_search(0.01) is not None
    fingerprinted.roots = PEM  # found by the first call
    assert fingerprinted.root_search(0.01) is None


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(1, 0.25), (8, 8 / DIAGNOSIS_SHARE), (600, SECONDS)]
)
def test_a_diagnosis_takes_a_small_part_of_the_time(timeout: float, seconds: float) -> None:
    assert route("localhost:1", timeout=timeout).diagnosis().seconds == seconds


def test_a_token_is_asked_for_each_time_and_never_shown() -> None:
    tokens = iter(["one", "two"])
    target = Target("localhost:1", lambda: next(tokens))
    assert [target.token(), target.token()] == ["one", "two"]
    assert "secret" not in repr(Target("localhost:1", "secret"))
