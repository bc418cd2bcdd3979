"""Plain values to messages of vault.proto and back: the suite, Argon2id, times, causes.

Both ends of the wire use it, so that each can read what the other writes. The vault counts time in
ms since the Unix epoch; applications get a datetime.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp

from strongroom_protocol.opaque.ksf import Argon2id
from strongroom_protocol.v1 import vault_pb2 as pb

if TYPE_CHECKING:
    from typing import Protocol

    class HasSuite(Protocol):
        """Any request or answer of BackupKeyVault."""

        suite: pb.Suite.ValueType


SUITE: Final = pb.SUITE_OPAQUE_3DH_P256_SHA256
"""The one suite of `strongroom/v1` (docs/protocol.md 3.1)."""
UNKNOWN_CAUSE: Final = "unknown"
"""What a client calls a cause that it does not know: a later vault may have more of them."""
_CAUSES: Final = {"attempt_limit": pb.DESTRUCTION_CAUSE_ATTEMPT_LIMIT}


def has_suite(message: HasSuite) -> bool:
    """Whether a message is of the one suite that there is."""
    return message.suite == SUITE


def argon2id_to_proto(parameters: Argon2id) -> pb.Argon2id:
    """Return Argon2id parameters as a message."""
    return pb.Argon2id(
        memory_kib=parameters.memory_kib, passes=parameters.passes, lanes=parameters.lanes
    )


def argon2id_from_proto(message: pb.Argon2id) -> Argon2id:
    """Return the Argon2id parameters of a message, whatever their values: each end has bounds."""
    return Argon2id(message.memory_kib, message.passes, message.lanes)


def timestamp_of_ms(milliseconds: int) -> Timestamp:
    """Return a time in ms since the Unix epoch as a message."""
    timestamp = Timestamp()
    timestamp.FromMilliseconds(milliseconds)
    return timestamp


def datetime_of_timestamp(timestamp: Timestamp) -> datetime:
    """Return the time of a message.

    Raises:
        ValueError: no datetime can be that time.
    """
    try:
        return timestamp.ToDatetime(UTC)
    except OverflowError as error:
        raise ValueError("a time beyond the years of a datetime") from error


def datetime_of_ms(milliseconds: int) -> datetime:
    """Return a time in ms since the Unix epoch as a datetime.

    Raises:
        ValueError: no datetime can be that time.
    """
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("a time beyond the years of a datetime") from error


def cause_to_proto(cause: str) -> pb.DestructionCause.ValueType:
    """Return the number of a cause for which keys are destroyed.

    Raises:
        KeyError: there is no such cause.
    """
    return _CAUSES[cause]


def cause_from_proto(number: pb.DestructionCause.ValueType) -> str:
    """Return the name of a cause: that of the metadata `cause` of KEY_DESTROYED."""
    return next((name for name, known in _CAUSES.items() if known == number), UNKNOWN_CAUSE)
