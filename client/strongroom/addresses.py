"""A vault's address in one form, however a person writes it."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from strongroom.errors import StrongroomError

DEFAULT_PORT: Final = 443
"""What gRPC takes where no port is named."""
_IN_BRACKETS: Final = re.compile(r"\[(?P<host>[0-9a-fA-F:.%]+)\](?::(?P<port>[0-9]{1,9}))?")
_PLAIN: Final = re.compile(r"(?P<host>[0-9A-Za-z._-]+)(?::(?P<port>[0-9]{1,9}))?")
_NAMES_A_PORT: Final = re.compile(r":[0-9]+$")
_MAX_PORT: Final = 65535


class BadAddress(StrongroomError):
    """The text is not the address of a vault."""

    hint = "An address is host:port, for example vault.example:7443 or [2001:db8::1]:7443."


def meant(text: str) -> str:
    """Return host:port as somebody means it who writes `text`; the port has to be named.

    Raises:
        BadAddress: it is not host:port.
    """
    if not _NAMES_A_PORT.search(text.strip()):
        raise BadAddress(f"{text.strip()!r} names no port.")
    return normalised(text)


def normalised(address: str) -> str:
    """Return host:port: the name in small letters without a last dot, numbers in their short form.

    Raises:
        BadAddress: it is not host or host:port. A name with other letters than those of ASCII has
            to be written as DNS has it (xn--...).
    """
    text = address.strip()
    found = _IN_BRACKETS.fullmatch(text) or _PLAIN.fullmatch(text)
    if found is None:
        raise BadAddress(f"{text!r} is not the address of a vault.")
    port = DEFAULT_PORT if found["port"] is None else int(found["port"])
    host = _host(found["host"])
    if not host or not 0 < port <= _MAX_PORT:
        raise BadAddress(f"{text!r} is not the address of a vault.")
    return f"{host}:{port}"


def pinned_as(address: str) -> str:
    """Return what a normalised address has in common with its like: this machine is one place."""
    host, _, port = address.rpartition(":")
    try:
        is_here = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return f"localhost:{port}" if is_here else address


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
