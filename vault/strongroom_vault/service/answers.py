"""Answers of the use cases that have times in them, in ms since the Unix epoch.

The others are in `strongroom_protocol/answers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_vault.records.record import Destroyed

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Argon2id


@dataclass(frozen=True, slots=True)
class Registered:
    """Answer of `finish_registration`. `created_at` is in ms."""

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: int


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """A key that can be recovered. Times in ms; `wait_until`: None unless the next must wait."""

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: int
    wait_until: int | None
    stretching: Argon2id


DestroyedKey = Destroyed
