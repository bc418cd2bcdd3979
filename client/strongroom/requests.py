"""What a client asks of a vault, and the answers that only a client has: plain values.

Each request is typed by its answer. `flows.py` decides which come next; `transport.py` carries
them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from strongroom.errors import AttemptLimitRefused
from strongroom_protocol.answers import RecoveryStarted, RegistrationStarted, VaultParameters

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom_protocol.opaque.ksf import Argon2id

Answer = TypeVar("Answer")


class Request(Generic[Answer]):
    """A call that is answered with an `Answer`. Repeating the same one is always safe."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class VaultInfo(VaultParameters):
    """A vault's public parameters; `VaultParameters` has the attributes."""

    def require_attempt_limit(self, wanted: int) -> None:
        """Check that this vault allows an attempt limit.

        Raises:
            AttemptLimitRefused: it does not.
            TypeError: it is not an int.
        """
        if isinstance(wanted, bool) or not isinstance(wanted, int):
            raise TypeError("an attempt limit is an int or None")
        if not self.minimum_attempt_limit <= wanted <= self.maximum_attempt_limit:
            raise AttemptLimitRefused(
                wanted, self.minimum_attempt_limit, self.maximum_attempt_limit
            )


@dataclass(frozen=True, slots=True)
class Registered:
    """Answers FinishRegistration.

    Attributes:
        key_id: 16 bytes, names the key.
        attempt_limit: how many attempts in a row may fail.
        attempts_left: of these, when it was registered; a rehearsal gives all of them back.
        created_at: when it was registered.
    """

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ActiveKey:
    """A key that can be recovered.

    Attributes:
        key_id: 16 bytes.
        attempt_limit: how many attempts in a row may fail.
        attempts_left: of these.
        created_at: when it was registered.
        wait_until: None unless the next attempt must wait.
        stretching: what a recovery stretches the password with; None from a vault that is too old
            to say.
    """

    key_id: bytes
    attempt_limit: int
    attempts_left: int
    created_at: datetime
    wait_until: datetime | None
    stretching: Argon2id | None


@dataclass(frozen=True, slots=True)
class DestroyedKey:
    """A key that the vault destroyed for good."""

    destroyed_at: datetime
    cause: str


KeyStatus: TypeAlias = ActiveKey | DestroyedKey | None
"""What a vault holds for an account; None for nothing."""


@dataclass(frozen=True, slots=True)
class GetVault(Request[VaultInfo]):
    """Asks for the public parameters; needs no access token."""


@dataclass(frozen=True, slots=True)
class StartRegistration(Request[RegistrationStarted]):
    """First message of a registration: 33 bytes."""

    registration_request: bytes


@dataclass(frozen=True, slots=True)
class FinishRegistration(Request[Registered]):
    """Last message of a registration: state as received, 129 bytes, 60 bytes, 0 for the default."""

    state: bytes
    registration_record: bytes = field(repr=False)
    sealed_backup_key: bytes = field(repr=False)
    attempt_limit: int


@dataclass(frozen=True, slots=True)
class StartRecovery(Request[RecoveryStarted]):
    """One attempt: 98 bytes."""

    ke1: bytes


@dataclass(frozen=True, slots=True)
class FinishRecovery(Request[bytes]):
    """Proof of the password: state as received, 32 bytes. Answered with the sealed backup key."""

    state: bytes = field(repr=False)
    ke3: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class GetKey(Request[KeyStatus]):
    """Asks what the vault holds."""


@dataclass(frozen=True, slots=True)
class DeleteKey(Request[None]):
    """Asks to delete the key."""
