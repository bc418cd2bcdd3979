"""What a vault answers, as plain values, where client and vault mean the same.

Sizes are in vault.proto. The other answers have times in them, and these are two classes on
purpose: the vault counts ms (`service/answers.py`), an application gets a datetime, and it may talk
to a vault that is too old to tell everything (`strongroom/requests.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Argon2id


@dataclass(frozen=True, slots=True)
class VaultParameters:
    """A vault's public parameters.

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
    """Answers StartRegistration. Only the vault can read `state`."""

    registration_response: bytes
    key_id: bytes
    state: bytes = field(repr=False)
    stretching: Argon2id


@dataclass(frozen=True, slots=True)
class RecoveryStarted:
    """Answers StartRecovery. `attempts_left` is what is left if this attempt fails."""

    ke2: bytes = field(repr=False)
    key_id: bytes
    state: bytes = field(repr=False)
    attempts_left: int
    stretching: Argon2id
