"""Which URLs lead to this machine itself, which no HTTP proxy can reach."""

from __future__ import annotations

from urllib.parse import urlsplit

from strongroom_protocol.addresses import DEFAULT_PORT, is_this_machine


def is_loopback(url: str) -> bool:
    """Whether a URL's host is the loopback interface: a proxy would call its own machine's."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return is_this_machine(f"{host.removesuffix('.')}:{DEFAULT_PORT}")
