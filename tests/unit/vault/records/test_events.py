"""Events, byte by byte: the audit chain covers them."""

from __future__ import annotations

from strongroom_vault.records.events import Event, EventKind


def test_an_event_byte_by_byte() -> None:
    event = Event(EventKind.ATTEMPT, 5, b"\xab" * 32, (("serial", 3),))
    assert event.body() == (
        b'{"event":"attempt","record":"' + b"ab" * 32 + b'","serial":3,"time":5}'
    )
    assert Event(EventKind.INITIALISED, 5).body() == b'{"event":"initialised","time":5}'
