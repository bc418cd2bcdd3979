"""The audit log: events in the order of their commits, chained by SHA-256 into the head.

    digest of event n = SHA-256("strongroom/v1 audit" || digest of event n - 1 || body)

The bodies are those of `records/events.py`.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from strongroom_protocol.labels import AUDIT

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_EVENT: Final = bytes(32)
"""The digest before the first event."""


def extend(digest: bytes, bodies: Iterable[bytes]) -> bytes:
    """Return the digest after some more events."""
    for body in bodies:
        digest = sha256(AUDIT + digest + body).digest()
    return digest
