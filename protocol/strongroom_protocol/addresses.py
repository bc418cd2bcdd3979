"""A vault's address in one form, however a person writes it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from strongroom_protocol.errors import StrongroomError

DEFAULT_PORT: Final = 443
"""The port of https. A new address must name its port, or be an https URL."""
_IN_BRACKETS: Final = re.compile(r"\[(?P<host>[0-9a-fA-F:.%]+)\](?::(?P<port>[0-9]{1,9}))?")
_PLAIN: Final = re.compile(r"(?P<host>[0-9A-Za-z._-]+)(?::(?P<port>[0-9]{1,9}))?")
_MAX_PORT: Final = 65535
_SCHEME: Final = re.compile(r"(?P<name>[A-Za-z][A-Za-z0-9+.-]*)://")
_MAX_QUOTED: Final = 300
_EXAMPLE: Final = "for example vault.example:7443 or [2001:db8::1]:7443"


class BadAddress(StrongroomError):
    """The text is not the address of a vault."""

    hint = f"An address is host:port, {_EXAMPLE}."


def parse_address(text: str) -> str:
    """Return host:port for an address as a person writes it: host:port, or an https URL of it.

    Raises:
        BadAddress: it is neither, or names no port.
    """
    if not isinstance(text, str):
        raise TypeError("the address of a vault is a str, host:port")
    written = text.strip()
    scheme = _SCHEME.match(written)
    if scheme is not None:
        if scheme["name"].lower() != "https":
            raise BadAddress(
                f"{_quoted(written)} is not the address of a vault: it begins with"
                f" {_quoted(scheme[0])}, and a vault is reached over TLS by host:port alone."
            )
        return normalised(written[scheme.end() :].removesuffix("/"), written)
    if not has_port(written):
        host = normalised(written).rpartition(":")[0]
        raise BadAddress(f"The address {host} names no port. Write it with one: {host}:PORT.")
    return normalised(written)


def has_port(text: str) -> bool:
    """Whether an address names a port; also true of text that is not an address."""
    match = _IN_BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    return match is None or match["port"] is not None


def normalised(address: str, written: str | None = None) -> str:
    """Return host:port: the name in small letters without a last dot, numbers in their short form.

    Args:
        address: host:port; the port may be missing, as in old profiles.
        written: what an error quotes instead of the address.

    Raises:
        BadAddress: it is not host or host:port. A name with letters outside ASCII must be
            written as DNS has it (xn--...).
    """
    text = address.strip()
    refusal = BadAddress(f"{_quoted(written or text)} is not the address of a vault.")
    match = _IN_BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    if match is None:
        raise refusal
    port = DEFAULT_PORT if match["port"] is None else int(match["port"])
    host = _host(match["host"])
    if not host or not 0 < port <= _MAX_PORT:
        raise refusal
    return f"{host}:{port}"


def pinned_as(address: str) -> str:
    """Return the address under which an identity is pinned: all names of this machine are one."""
    return f"localhost:{address.rpartition(':')[2]}" if is_this_machine(address) else address


def is_this_machine(address: str) -> bool:
    """Whether a normalised address is one of the loopback interface."""
    host = address.rpartition(":")[0]
    try:
        number = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return host == "localhost"
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return (mapped or number).is_loopback


def _host(text: str) -> str:
    name = text.lower().removesuffix(".")
    try:
        number = ipaddress.ip_address(name)
    except ValueError:
        return "" if ":" in name else name
    return f"[{number.compressed}]" if number.version == 6 else number.compressed  # noqa: PLR2004


def host_and_port(address: str) -> tuple[str, int]:
    """Return both parts of a normalised address, the host without brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _quoted(text: str) -> str:
    """Return text for a sentence, however long it is and whatever is in it."""
    return repr(text) if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]!r}..."
