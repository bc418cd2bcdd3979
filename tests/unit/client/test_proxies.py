"""Which proxy leads to a vault, as the environment names it."""

from __future__ import annotations

import pytest

from strongroom.proxies import proxy_to
from strongroom_protocol.addresses import normalised


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
