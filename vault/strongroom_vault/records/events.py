"""The events of the audit log, each one line of canonical JSON.

Events name accounts by record id alone. `ledger/audit.py` chains them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum


class EventKind(Enum):
    """What happened."""

    REGISTERED = "registered"
    ATTEMPT = "attempt"
    REPETITION = "repetition"
    GIVEN_BACK = "given back"
    RELEASED = "released"
    WRONG_PASSWORD = "wrong password"  # noqa: S105 -- the name of an event
    DESTROYED = "destroyed"
    DELETED = "deleted"
    INITIALISED = "initialised"
    LOSS_ACCEPTED = "loss accepted"
    WRAP_KEY_MADE = "wrap key made"
    WRAP_KEY_DESTROYED = "wrap key destroyed"


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the log.

    Attributes:
        kind: what happened.
        time: ms since the Unix epoch.
        record_id: of the account, empty for an operator's act.
        detail: numbers that belong to it.
    """

    kind: EventKind
    time: int
    record_id: bytes = b""
    detail: tuple[tuple[str, int], ...] = ()

    def body(self) -> bytes:
        """Return the event as canonical JSON."""
        fields: dict[str, object] = {"event": self.kind.value, "time": self.time}
        if self.record_id:
            fields["record"] = self.record_id.hex()
        fields.update(self.detail)
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
