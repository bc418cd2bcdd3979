"""Which addresses host:port stands for, and whether this process can listen at all of them.

gRPC listens where it can and says nothing about the rest, so that half of the clients of
"localhost" may reach another process. So each address is first bound here, to a socket that holds
it until a server listens there.
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
"""How many ports are tried, for port 0, until one is free at every address."""
_LOOPBACK: Final = ("127.0.0.1", "::1")
_EVERYWHERE: Final = "::"
"""Every address of both families."""
_EVERYWHERE_4: Final = "0.0.0.0"  # noqa: S104 -- who listens at [::] wants every address
_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EINVAL)
_WHY: Final = {
    errno.EADDRINUSE: "another process listens there",
    errno.EACCES: "this user may not take a port below 1024",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EAFNOSUPPORT: "this machine has no such address",
    errno.EINVAL: "this machine has no such address",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One address to listen at: a number, never a name."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def family(self) -> socket.AddressFamily:
        """IPv4 or IPv6."""
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


class _CannotBind(Exception):
    """A place cannot be bound; `args` are the place and the error's number."""


@contextmanager
def held(address: str, source: str = "") -> Iterator[Sequence[Place]]:
    """Hold the places that host:port stands for until the end of the block, for a server.

    `source` is the setting that the address comes from, for errors.

    Addresses that this machine does not have are left out, and the log says so, as long as there
    is another one. Port 0 is a port that is free at each of them.

    Raises:
        OperatorError: the name is unknown, or one of its addresses cannot be bound.
    """
    host, _, digits = address.rpartition(":")
    named = f"{source}: cannot listen at {address}" if source else f"cannot listen at {address}"
    hosts, port = _hosts(host.strip("[]"), named), int(digits)
    for left in reversed(range(TRIES)):
        with ExitStack() as undo:
            try:
                places = _hold(hosts, port, undo)
            except _CannotBind as error:
                if left and not port:
                    continue  # a free port at the first address that another process has elsewhere
                place, number = error.args
                why = _WHY.get(number, errno.errorcode.get(number, "unknown"))
                raise OperatorError(f"{named}: {place}: {why}") from error
            yield places
            return


def _hosts(host: str, refused: str) -> list[str]:
    """The addresses of a host, without repetition; localhost is both, whatever the system says."""
    try:
        addresses = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a name"
        hint = "Name an address of this machine, or [::] for all of them."
        raise OperatorError(f"{refused}: {host}: {reason}", hint) from error
    names = [str(place[0]) for *_, place in addresses]
    return list(dict.fromkeys([*names, *(_LOOPBACK if host == "localhost" else ())]))


def _hold(hosts: Sequence[str], port: int, undo: ExitStack) -> list[Place]:
    places: list[Place] = []
    absent: list[tuple[Place, int]] = []
    for host in hosts:
        place = Place(host, port or (places[0].port if places else 0))
        try:
            places.append(_take(place, undo))
        except OSError as error:
            number = error.errno or 0
            if number not in _NOT_HERE:
                raise _CannotBind(place, number) from error
            absent.append((place, number))
    if not places and hosts == [_EVERYWHERE]:  # a machine without IPv6
        return _hold([_EVERYWHERE_4], port, undo)
    if not places:
        raise _CannotBind(*absent[0])
    for place, number in absent:
        log.warning("not listening", address=str(place), problem=_WHY[number])
    return places


def _take(place: Place, undo: ExitStack) -> Place:
    """Bind a socket that does not listen; a server that reuses addresses can bind beside it."""
    holder = socket.socket(place.family, socket.SOCK_STREAM)
    undo.callback(holder.close)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if place.family == socket.AF_INET6:
        is_one = place.host != _EVERYWHERE
        holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_one)
    *_, where = socket.getaddrinfo(place.host, place.port, place.family, socket.SOCK_STREAM)[0]
    holder.bind(where)
    return Place(place.host, holder.getsockname()[1])
