"""The attempt that is not decided yet: what makes its KE1 again, so that it is charged once.

A repetition of the same KE1 is the same attempt (docs/protocol.md 6.7), and a new KE1 is another.
So whatever cuts an attempt off, the next try with the same password must send the same bytes. They
are made from the password and a random seed; the seed is kept until the attempt is decided, and the
password never is. The seed alone tells nothing about the password. With another password the same
seed gives a KE1 that has nothing to do with the first.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from strongroom.opaque import client, oprf
from strongroom.opaque.kdf import expand, extract

if TYPE_CHECKING:
    from strongroom.opaque.messages import KE1

SEED_SIZE: Final = 32
_BLIND: Final = b"strongroom/v1 attempt blind"
_NONCE: Final = b"strongroom/v1 attempt nonce"
_KEYSHARE: Final = b"strongroom/v1 attempt keyshare"


class PendingAttempt(Protocol):
    """Keeps the seed of the attempt under way: in memory, or for a command between its runs."""

    def load(self) -> bytes | None:
        """Return the seed, 32 bytes; None where no attempt is under way."""

    def save(self, seed: bytes) -> None:
        """Keep the seed. When this returns, the attempt may be charged."""

    def forget(self) -> None:
        """The attempt is decided: its seed is of no use any more."""


class InMemory:
    """Keeps the seed as long as this object lives."""

    def __init__(self) -> None:
        self._seed: bytes | None = None

    def load(self) -> bytes | None:
        """Return the seed, 32 bytes; None where no attempt is under way."""
        return self._seed

    def save(self, seed: bytes) -> None:
        """Keep the seed."""
        self._seed = seed

    def forget(self) -> None:
        """Forget the seed."""
        self._seed = None

    def __repr__(self) -> str:
        return "InMemory(<secret>)"


def new_seed() -> bytes:
    """Return the seed of a new attempt, 32 random bytes."""
    return os.urandom(SEED_SIZE)


def generate_ke1(password: bytes, seed: bytes) -> tuple[KE1, client.LoginSession]:
    """Return the KE1 of an attempt: the same for the same prepared password and seed (32 bytes)."""
    secret = extract(seed + password)
    return client.generate_ke1(
        password,
        blind=oprf.derive_key_pair(expand(secret, _BLIND), _BLIND),
        nonce=expand(secret, _NONCE),
        keyshare_seed=expand(secret, _KEYSHARE),
    )
