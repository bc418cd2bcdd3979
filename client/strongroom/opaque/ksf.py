"""Key stretching (RFC 9807 section 2.3): Argon2id, or nothing for the RFC's test vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.kdf import argon2

from strongroom.opaque.labels import ARGON2_SALT, NH

Stretch: TypeAlias = Callable[[bytes], bytes]
"""Takes the OPRF output (32 bytes), returns 32 bytes."""


@dataclass(frozen=True, slots=True)
class Argon2id:
    """Argon2id version 1.3 (RFC 9106) with a salt of 16 zero bytes and a tag of 32 bytes.

    Attributes:
        memory_kib: m, KiB.
        passes: t.
        lanes: p.
    """

    memory_kib: int
    passes: int
    lanes: int

    def __call__(self, data: bytes) -> bytes:
        """Return the stretched `data`, 32 bytes."""
        return argon2.Argon2id(
            salt=ARGON2_SALT,
            length=NH,
            iterations=self.passes,
            lanes=self.lanes,
            memory_cost=self.memory_kib,
        ).derive(data)


RFC9106_SECOND: Final = Argon2id(memory_kib=64 * 1024, passes=3, lanes=4)
"""The second recommended choice of RFC 9106 section 4, for memory-constrained environments."""


def identity(data: bytes) -> bytes:
    """Return `data`: no stretching."""
    return data
