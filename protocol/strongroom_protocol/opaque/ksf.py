"""Key stretching (RFC 9807 section 2.3): Argon2id, or nothing for the RFC's test vectors."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from argon2.exceptions import HashingError
from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw

from strongroom_protocol.opaque.labels import ARGON2_SALT, NH

Stretch: TypeAlias = Callable[[bytes], bytes]
"""The RFC's KSF: takes the OPRF output (32 bytes), returns 32 bytes."""

_KIB: Final = 1024
_LEAST_KIB_PER_LANE: Final = 8
_PRIVATE_AND_HAD: Final = mmap.MAP_PRIVATE | getattr(mmap, "MAP_POPULATE", 0)
"""Linux gives the pages at once: what a container does not have ends us here, not later."""


class _Places:
    """How many stretchings run at once: one for each processor; the others wait for their turn.

    More would not be faster, and each holds its memory. A child process starts with free places.
    """

    def __init__(self) -> None:
        self._set_up()
        os.register_at_fork(after_in_child=self._set_up)

    def _set_up(self) -> None:
        self._free = threading.Semaphore(os.cpu_count() or 1)

    def __enter__(self) -> None:
        self._free.acquire()

    def __exit__(self, *_: object) -> None:
        self._free.release()


_places = _Places()


@dataclass(frozen=True, slots=True)
class Argon2id:
    """Argon2id version 1.3 (RFC 9106) with a salt of 16 zero bytes and a tag of 32 bytes.

    May be used from several threads at once.

    Attributes:
        memory_kib: m, KiB.
        passes: t.
        lanes: p.
    """

    memory_kib: int
    passes: int
    lanes: int

    def __call__(self, data: bytes) -> bytes:
        """Return the stretched `data`, 32 bytes.

        Raises:
            MemoryError: there is not enough memory, or there are not enough threads.
        """
        with _places:
            return self._derive(data)

    def reserve(self) -> Reservation:
        """Make sure that a stretching is possible, before something is paid for it.

        The memory is had for real, then given back; its address space stays reserved until
        `Reservation.release`, which comes right before the stretching.

        Raises:
            MemoryError: there is not enough memory, or there are not enough threads.
        """
        with _places:
            reservation = Reservation(self.memory_kib * _KIB)
            try:
                threads_only = Argon2id(_LEAST_KIB_PER_LANE * self.lanes, 1, self.lanes)
                threads_only._derive(b"")
            except MemoryError:
                reservation.release()
                raise
            return reservation

    def _derive(self, data: bytes) -> bytes:
        try:
            return hash_secret_raw(
                secret=data,
                salt=ARGON2_SALT,
                time_cost=self.passes,
                memory_cost=self.memory_kib,
                parallelism=self.lanes,
                hash_len=NH,
                type=Type.ID,
                version=ARGON2_VERSION,
            )
        except (
            HashingError
        ) as error:  # the parameters are checked before: what is left is resources
            raise MemoryError(str(error)) from error


class Reservation:
    """Address space that is free for a stretching once it is released."""

    def __init__(self, size: int) -> None:
        """Reserve `size` bytes.

        Raises:
            MemoryError: there is not so much memory.
        """
        try:
            self._map: mmap.mmap | None = mmap.mmap(-1, size, flags=_PRIVATE_AND_HAD)
        except (OSError, OverflowError, ValueError) as error:
            raise MemoryError(f"{size} bytes are not to be had") from error
        self._map.madvise(mmap.MADV_DONTNEED)

    def release(self) -> None:
        """Give the address space back; a second time does nothing."""
        if self._map is not None:
            self._map.close()
            self._map = None


RFC9106_SECOND: Final = Argon2id(memory_kib=64 * 1024, passes=3, lanes=4)
"""The second recommended choice of RFC 9106 section 4, for memory-constrained environments."""


def identity(data: bytes) -> bytes:
    """Return `data` unchanged."""
    return data
