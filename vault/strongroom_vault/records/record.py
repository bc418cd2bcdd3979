"""What the vault keeps for one account: plain values without behaviour of their own.

`policy.py` decides how a record changes, `codec.py` writes it as bytes. Times are milliseconds
since the Unix epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Argon2id
    from strongroom_vault.errors import Cause


@dataclass(frozen=True, slots=True)
class StoredOprfKey:
    """An OPRF key at rest.

    Attributes:
        public_key: 33 bytes, SEC 1 compressed. The token gives the sign of this point only once.
        wrapped: the private key (PKCS #8) under `strongroom.wrap`; None for a resident key, which
            is an object of the token with `public_key` as its CKA_ID.
        wrap_key: number of the `strongroom.wrap` that wrapped it; rotations count up.
    """

    public_key: bytes
    wrapped: bytes | None = field(repr=False)
    wrap_key: int = 0

    @property
    def is_resident(self) -> bool:
        """Whether the key stays in the token, where it can be destroyed."""
        return self.wrapped is None


@dataclass(frozen=True, slots=True)
class LastAttempt:
    """The last charged attempt, while it is remembered.

    Attributes:
        blinded_element: 33 bytes. The same bytes again are the same evaluation: not charged.
        is_final: it was repeated, so it is never given back.
    """

    blinded_element: bytes
    is_final: bool


@dataclass(frozen=True, slots=True)
class Absent:
    """No key was ever registered."""


@dataclass(frozen=True, slots=True)
class Active:
    """A key that can be recovered.

    Attributes:
        key_id: 16 random bytes that name this key.
        created_at: when it was registered.
        attempt_limit: how many attempts in a row may fail.
        oprf_key: the key that answers guesses.
        registration_record: 129 bytes, RFC 9807 section 5.
        sealed_backup_key: 60 bytes that only the client can open.
        stretching: Argon2id parameters that the client used.
        last_attempt: forgotten when given back and when the key changes.
        last_started_at: of the last charged attempt of this key, or its repetition; 0 while it
            was never tried, neither since it was registered nor since an accepted loss.
    """

    key_id: bytes
    created_at: int
    attempt_limit: int
    oprf_key: StoredOprfKey
    registration_record: bytes = field(repr=False)
    sealed_backup_key: bytes = field(repr=False)
    stretching: Argon2id
    last_attempt: LastAttempt | None = None
    last_started_at: int = 0


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A key that is gone for good; only the fact stays."""

    destroyed_at: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Deleted:
    """A key that its owner deleted; the attempts used stay counted."""

    deleted_at: int


State: TypeAlias = Absent | Active | Destroyed | Deleted


@dataclass(frozen=True, slots=True)
class Record:
    """The state of one account's key, and what must outlive every key.

    Attributes:
        charged: attempts ever charged; the serial of the last one.
        cleared: of those, the ones that a success has cleared.
        generation: how often the key was registered, destroyed or deleted. A registration applies
            only to the generation that it started from.
        state: what there is.
        loss_epoch: of the last accepted loss of the database that this record has gone through.
    """

    charged: int = 0
    cleared: int = 0
    generation: int = 0
    state: State = field(default_factory=Absent)
    loss_epoch: int = 0

    @property
    def used(self) -> int:
        """Attempts charged since the last success, whatever keys and limits there were."""
        return self.charged - self.cleared
