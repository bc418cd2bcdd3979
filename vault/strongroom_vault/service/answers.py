"""What the use cases answer: plain values; times in ms since the Unix epoch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom_vault.records.record import Destroyed

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Argon2id


@dataclass(frozen=True, slots=True)
class VaultParameters:
    """What anybody may know of the vault.

    Attributes:
        vault_id: 1 to 64 characters of [a-z0-9.-].
        identity_public_key: 33 bytes, SEC 1 compressed.
        stretching: for new keys; each key keeps its own.
        attempt_limit: for a registration that names none, of an account without a key.
        minimum_attempt_limit: the lowest that a client may ask for.
        maximum_attempt_limit: the highest.
    """

    vault_id: str
    identity_public_key: bytes
    stretching: Argon2id
    attempt_limit: int
    minimum_attempt_limit: int
    maximum_attempt_limit: int


@dataclass(frozen=True, slots=True)
class RegistrationStarted:
    """Answer of `start_registration`; sizes as in vault.proto."""

    registration_response: bytes
    key_id: bytes
    state: bytes = field(repr=False)
    stretching: Argon2id


@dataclass(frozen=True, slots=True)
class Registered:
    """Answer of `finish_registration`. `created_at` is in ms."""

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: int


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """Answer of `start_recovery`; sizes as in vault.proto."""

    ke2: bytes = field(repr=False)
    key_id: bytes
    state: bytes = field(repr=False)
    attempts_left: int
    stretching: Argon2id


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
