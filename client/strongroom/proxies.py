"""Which HTTP proxy leads to a vault, as the environment says; none leads to this machine itself.

gRPC reads some of these variables too. It is told the result, so that all of them count in small
and in capital letters, and so that an error can name the proxy.
"""

from __future__ import annotations

import ipaddress
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from strongroom_protocol.addresses import is_this_machine

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
"""The first one that is set counts."""
EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy")
DEFAULT_PORT: Final = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: without brackets.
        port: of the proxy.
        login: `user:password@` as in the URL, with its escapes, or empty. Secret.
        variable: where the environment names it.
    """

    host: str
    port: int
    login: str
    variable: str

    @property
    def url(self) -> str:
        """What gRPC is told. Secret."""
        return f"http://{self.login}{self._place}"

    @property
    def authorization(self) -> str:
        """The header field that logs in, or nothing. Secret."""
        if not self.login:
            return ""
        login = unquote(self.login.removesuffix("@")).encode()
        return f"Proxy-Authorization: Basic {b64encode(login).decode()}"

    def __str__(self) -> str:
        return f"{self._place} ({self.variable})"

    def __repr__(self) -> str:
        return f"Proxy({self})"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def proxy_to(address: str, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy that leads to a normalised address; None for the direct way.

    gRPC can use proxies of http:// alone, and passes over others; so they are passed over here.
    """
    if is_this_machine(address):
        return None
    host = address.rpartition(":")[0].strip("[]")
    if any(_matches(host, entry) for entry in _first_set(EXCEPTIONS, environment)[1].split(",")):
        return None
    variable, value = _first_set(VARIABLES, environment)
    return _parsed(variable, value)


def _first_set(names: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, str]:
    for name in names:
        for variable in (name, name.upper()):
            if value := environment.get(variable, "").strip():
                if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
                    continue  # in a CGI program this is the visitor's header field `Proxy`
                return variable, value
    return "", ""


def _parsed(variable: str, value: str) -> Proxy | None:
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        host, port = url.hostname, url.port
    except ValueError:
        return None
    if url.scheme.lower() != "http" or not host:
        return None
    login, at, _ = url.netloc.rpartition("@")
    return Proxy(host, DEFAULT_PORT if port is None else port, login + at, variable)


def _matches(host: str, entry: str) -> bool:
    """Whether an entry of no_proxy covers a host: `*`, a name and what is below it, a network."""
    name = entry.strip().lower().strip("[]")
    if name == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        name = name.removeprefix("*").removeprefix(".")
        return bool(name) and (host == name or host.endswith(f".{name}"))
