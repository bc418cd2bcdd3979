"""What a caller without an access token can hold: connections, calls on each, and for how long.

gRPC's core keeps connections and open calls before any code of ours sees them. What can be held is
therefore the product of these bounds, and all of it ends with the age of the connection.
"""

from __future__ import annotations

import resource
from typing import Final

import structlog

from strongroom_protocol.labels import MESSAGE_MAX_SIZE
from strongroom_vault.errors import OperatorError

log = structlog.get_logger()

MAX_METADATA: Final = 8 * 1024
MAX_STREAMS: Final = 20
"""Open calls on one connection: a few more than one account may have under way."""
MAX_PENDING: Final = 512
"""Calls of one name that wait for Python; from half as many on, gRPC's core refuses some, then all.

That costs a fraction of a refusal in Python. Clients see CANCELLED, and try again.
"""
HANDSHAKE_MS: Final = 10_000
"""A connection that has not sent its HTTP/2 settings by then is closed."""
IDLE_MS: Final = 120_000
AGE_GRACE_MS: Final = 35_000
"""For the calls of a connection that has reached its age: more than a call may take."""

DESCRIPTORS_IN_RESERVE: Final = 64
"""For the store, the log, the admin socket, metrics, key sets: all but connections, workers."""
DESCRIPTORS_PER_WORKER: Final = 8
"""While a worker is replaced: pipe, process, the interpreter that starts it."""
FEWEST_CONNECTIONS: Final = 16
ADMIN_CONNECTIONS: Final = 16

_COMMON: Final = (
    ("grpc.max_receive_message_length", MESSAGE_MAX_SIZE),
    ("grpc.max_send_message_length", MESSAGE_MAX_SIZE),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),
    ("grpc.enable_channelz", 0),
)
ADMIN_OPTIONS: Final = (*_COMMON, ("grpc.max_allowed_incoming_connections", ADMIN_CONNECTIONS))


def server_options(connections: int, age_s: int) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for a listener.

    Args:
        connections: more are closed as they come.
        age_s: older ones are told to begin no calls, and closed after those under way.
    """
    return (
        *_COMMON,
        ("grpc.max_allowed_incoming_connections", connections),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.max_connection_age_ms", age_s * 1000),
        ("grpc.max_connection_age_grace_ms", AGE_GRACE_MS),
        ("grpc.server.max_pending_requests", MAX_PENDING // 2),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING),
        ("grpc.http2.lookahead_bytes", 2 * MESSAGE_MAX_SIZE),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.experimental.tcp_max_read_chunk_size", 4 * MESSAGE_MAX_SIZE),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        # Or a second process could listen on the same port, and get some of the clients.
        ("grpc.so_reuseport", 0),
    )


def connections_within(descriptors: int, wanted: int, workers: int) -> int:
    """Return how many connections leave enough descriptors for the rest: `wanted`, or fewer.

    Raises:
        OperatorError: too few; the message says which limit is needed.
    """
    reserve = DESCRIPTORS_IN_RESERVE + DESCRIPTORS_PER_WORKER * workers
    if descriptors - reserve < min(FEWEST_CONNECTIONS, wanted):
        raise OperatorError(
            f"this process may open {descriptors} files; with {workers} token workers it needs"
            f" {reserve} and one for each connection: raise the limit (LimitNOFILE, ulimit -n)"
        )
    return min(wanted, descriptors - reserve)


def max_connections(wanted: int, workers: int) -> int:
    """Return `connections_within` this process's limit, and say in the log if it is fewer."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors == resource.RLIM_INFINITY:
        return wanted
    connections = connections_within(descriptors, wanted, workers)
    if connections < wanted:
        log.warning(
            "fewer connections than max_connections", connections=connections, files=descriptors
        )
    return connections
