"""The chain over the bodies of events."""

from __future__ import annotations

from hashlib import sha256

from strongroom_protocol.labels import AUDIT
from strongroom_vault.ledger.audit import NO_EVENT, extend


def test_the_audit_chain() -> None:
    one = extend(NO_EVENT, [b"first"])
    assert extend(NO_EVENT, [b"first", b"second"]) == extend(one, [b"second"])
    assert one.hex() == "44ec7e813a4448dc278c381c57bbb86a7091403c7113a645490d6cefbebed595"
    assert extend(NO_EVENT, []) == NO_EVENT


def test_a_link_byte_by_byte() -> None:
    assert extend(b"d" * 32, [b"body"]) == sha256(AUDIT + b"d" * 32 + b"body").digest()
    assert bytes(32) == NO_EVENT
