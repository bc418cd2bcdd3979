"""The attempt that is not decided yet: what makes its KE1 again, so that it is charged once.

A repetition of the same KE1 is the same attempt (docs/protocol.md 6.7), and a new KE1 is another.
So whatever cuts an attempt off, the next try with the same password must send the same bytes. They
are made from the password and a random seed; the seed is kept until the attempt is decided, and the
password never is. The seed alone tells nothing about the password. With another password the same
seed gives a KE1 that has nothing to do with the first.
"""

from __future__ import annotations

import hmac
import os
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from strongroom_protocol.labels import (
    ATTEMPT_BLIND,
    ATTEMPT_KEYSHARE,
    ATTEMPT_NONCE,
    ATTEMPT_SEED_SIZE,
)
from strongroom_protocol.opaque import client, oprf
from strongroom_protocol.opaque.kdf import expand, extract

if TYPE_CHECKING:
    from strongroom_protocol.opaque.messages import KE1

MOST_IN_PROCESS: Final = 1000
"""Undecided attempts that a process remembers; the oldest are forgotten first."""


class PendingAttempt(Protocol):
    """Keeps the seed of the attempt under way: in memory, or for a command between its runs."""

    def load(self) -> bytes | None:
        """Return the seed, 32 bytes; None where no attempt is under way."""

    def save(self, seed: bytes) -> None:
        """Keep the seed, or stay with one that is kept already; `load` tells which.

        When this returns, the attempt may be charged.
        """

    def forget(self) -> None:
        """The attempt is decided: its seed is no longer needed."""


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


class InProcess:
    """Keeps the seed of a password in this process, for all who try it on the same key.

    Several recoveries at once, or one after another with answers lost in between, are then one
    attempt, whoever begins them. May be used from several threads.
    """

    _seeds: ClassVar[OrderedDict[bytes, bytes]] = OrderedDict()
    _lock: ClassVar = threading.Lock()
    _salt: ClassVar = os.urandom(ATTEMPT_SEED_SIZE)

    def __init__(self, vault_identity: bytes, account: str, password: bytes) -> None:
        about = vault_identity + oprf.length_prefixed(account.encode()) + password
        self._name = hmac.digest(self._salt, about, "sha256")

    def load(self) -> bytes | None:
        """Return the seed, 32 bytes; None where no attempt with this password is under way."""
        return self._seeds.get(self._name)

    def save(self, seed: bytes) -> None:
        """Keep the seed, or stay with one that is kept already."""
        with self._lock:
            self._seeds.setdefault(self._name, seed)
            if len(self._seeds) > MOST_IN_PROCESS:
                self._seeds.popitem(last=False)

    def forget(self) -> None:
        """Forget the seed."""
        with self._lock:
            self._seeds.pop(self._name, None)


def new_seed() -> bytes:
    """Return the seed of a new attempt, 32 random bytes."""
    return os.urandom(ATTEMPT_SEED_SIZE)


def generate_ke1(password: bytes, seed: bytes) -> tuple[KE1, client.LoginSession]:
    """Return the KE1 of an attempt: the same for the same prepared password and seed (32 bytes)."""
    secret = extract(seed + password)
    return client.generate_ke1(
        password,
        blind=oprf.derive_key_pair(expand(secret, ATTEMPT_BLIND), ATTEMPT_BLIND),
        nonce=expand(secret, ATTEMPT_NONCE),
        keyshare_seed=expand(secret, ATTEMPT_KEYSHARE),
    )
