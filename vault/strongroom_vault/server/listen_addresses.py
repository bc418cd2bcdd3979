"""The addresses that host:port stands for, each reserved until a server listens there.

gRPC listens where it can and is silent about the rest, so half of the clients of "localhost" could
reach another process. Every address is therefore bound here first, or the start fails.
"""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

log = structlog.get_logger()

TRIES: Final = 20
"""How many ports are tried, for port 0, until one is free on every address."""
_LOOPBACK: Final = ("127.0.0.1", "::1")
_EVERYWHERE: Final = "::"
"""Every address of both families."""
_EVERYWHERE_4: Final = "0.0.0.0"  # noqa: S104 -- what [::] stands for without IPv6
_NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
_REASONS: Final = {
    errno.EADDRINUSE: "another process listens there",
    errno.EACCES: "this user may not take a port below 1024",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no such address",
    errno.EINVAL: "this machine has no such address",
}


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """One IP address and port to listen on, never a name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


class _CannotBind(Exception):
    """An address cannot be bound; `args` are the address and the errno."""


@contextmanager
def reserved(address: str, source: str = "") -> Iterator[Sequence[ListenAddress]]:
    """Reserve the addresses that host:port stands for until the end of the block, for a server.

    `source` is the setting that the address comes from, for errors.

    An address that this machine does not have is left out with a warning, as long as there is
    another one. Port 0 becomes a port that is free on each of them.

    Raises:
        OperatorError: the name is unknown, or one of its addresses cannot be bound.
    """
    host, _, digits = address.rpartition(":")
    problem = f"{source}: cannot listen at {address}" if source else f"cannot listen at {address}"
    hosts, port = _hosts(host.strip("[]"), problem), int(digits)
    for tries_left in reversed(range(TRIES)):
        with ExitStack() as undo:
            try:
                addresses = _bind_all(hosts, port, undo)
            except _CannotBind as error:
                # Port 0 took a free port of the first address, which is in use on another one.
                if tries_left and not port:
                    continue
                failed, number = error.args
                reason = _REASONS.get(number, errno.errorcode.get(number, "unknown"))
                raise OperatorError(f"{problem}: {failed}: {reason}") from error
            yield addresses
            return


def _hosts(host: str, problem: str) -> list[str]:
    """Return the IP addresses of a host, each once."""
    try:
        entries = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a name"
        hint = "Name an address of this machine, or [::] for all of them."
        raise OperatorError(f"{problem}: {host}: {reason}", hint) from error
    hosts = [str(socket_address[0]) for *_, socket_address in entries]
    # localhost is both families whatever /etc/hosts says: a client may try either of them first.
    return list(dict.fromkeys([*hosts, *(_LOOPBACK if host == "localhost" else ())]))


def _bind_all(hosts: Sequence[str], port: int, undo: ExitStack) -> list[ListenAddress]:
    bound: list[ListenAddress] = []
    missing: list[tuple[ListenAddress, int]] = []
    for host in hosts:
        address = ListenAddress(host, port or (bound[0].port if bound else 0))
        try:
            bound.append(_bind(address, undo))
        except OSError as error:
            number = error.errno or 0
            if number not in _NO_SUCH_ADDRESS:
                raise _CannotBind(address, number) from error
            missing.append((address, number))
    if not bound and hosts == [_EVERYWHERE]:  # a machine without IPv6
        return _bind_all([_EVERYWHERE_4], port, undo)
    if not bound:
        raise _CannotBind(*missing[0])
    for address, number in missing:
        log.warning("not listening", address=str(address), problem=_REASONS[number])
    return bound


def _bind(address: ListenAddress, undo: ExitStack) -> ListenAddress:
    """Bind a socket until `undo` closes it; return the address with the port that it got."""
    holder = socket.socket(address.family, socket.SOCK_STREAM)
    undo.callback(holder.close)
    # It never listens, so that a server that also reuses addresses can bind and listen beside it.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address.family == socket.AF_INET6:
        # [::] takes the IPv4 port too, as gRPC's own socket will: a process that has it there
        # would otherwise get half of the clients.
        is_v6_only = address.host != _EVERYWHERE
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_v6_only)
    entry = socket.getaddrinfo(address.host, address.port, address.family, socket.SOCK_STREAM)[0]
    holder.bind(entry[4])
    return ListenAddress(address.host, holder.getsockname()[1])
