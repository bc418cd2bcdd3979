"""How heavy the stretching of a password may be, that it is possible, and who is told of it."""

from __future__ import annotations

import mmap
import os
import resource
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from strongroom.arguments import check_types
from strongroom.errors import NotEnoughMemory, NotEnoughThreads, VaultParametersRefused
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from strongroom_protocol.opaque.ksf import Reservation, Stretch

LIGHTEST: Final = Argon2id(RFC9106_SECOND.memory_kib, RFC9106_SECOND.passes, lanes=1)
HEAVIEST: Final = Argon2id(memory_kib=1024 * 1024, passes=16, lanes=16)
"""What docs/protocol.md 3.4 takes: RFC 9106's second choice at least, and what a laptop can do."""

ADDRESS_SPACE: Final = 384 * 1024 * 1024
"""Bytes: the usual stretching, and the stacks and heaps of gRPC's threads."""

THREADS: Final = 7 + max(4, min(os.cpu_count() or 4, 16))
"""What gRPC starts, some for each processor, and four lanes beside it."""

Watch: TypeAlias = "Callable[[Argon2id], AbstractContextManager[object]]"
"""Called with the parameters; what it returns is entered while a password is stretched."""


def _unwatched(_parameters: Argon2id) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Stretching:
    """What an application says of the stretching of passwords.

    Attributes:
        heaviest: the memory, passes and lanes that it takes at most. A vault that asks for more is
            refused, before an attempt is charged where the access token has the scope `read`.
        watch: called with the parameters before each stretching; the context that it returns lasts
            as long. For a line that says "please wait".
    """

    heaviest: Argon2id = HEAVIEST
    watch: Watch = _unwatched

    def __post_init__(self) -> None:
        check_types(heaviest=(self.heaviest, Argon2id), watch=(self.watch, Callable))
        check_types(
            memory_kib=(self.heaviest.memory_kib, int),
            passes=(self.heaviest.passes, int),
            lanes=(self.heaviest.lanes, int),
        )

    def check(self, parameters: Argon2id) -> Argon2id:
        """Return `parameters`, those of a vault, if they are within the bounds.

        Raises:
            VaultParametersRefused: they are out of bounds.
        """
        for name in ("memory_kib", "passes", "lanes"):
            least, most = getattr(LIGHTEST, name), getattr(self.heaviest, name)
            if not least <= getattr(parameters, name) <= most:
                raise VaultParametersRefused
        return parameters


def require_address_space() -> None:
    """Check, before gRPC starts, that this process may still grow by what it is about to need.

    gRPC ends a process that cannot have its threads, without a word to the person. Address space
    costs nothing; only a limit on it (`ulimit -v`) makes this fail.

    Raises:
        NotEnoughMemory: there is such a limit, and it is too low.
    """
    try:
        mmap.mmap(-1, ADDRESS_SPACE, flags=mmap.MAP_PRIVATE).close()
    except OSError as error:
        raise NotEnoughMemory(ADDRESS_SPACE // 1024) from error


def require_threads() -> None:
    """Check, before gRPC starts, that it may have its threads and the stretching its lanes.

    Raises:
        NotEnoughThreads: they are not to be had all at once.
        NotEnoughMemory: the same, where a limit on address space leaves no room for their stacks.
    """
    is_over = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(THREADS):
            thread = threading.Thread(target=is_over.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        if resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
            raise NotEnoughMemory(ADDRESS_SPACE // 1024) from error
        raise NotEnoughThreads from error
    finally:
        is_over.set()
        for thread in started:
            thread.join()


class Stretcher:
    """Stretches the password of one registration or recovery; a context that gives memory back.

    What it stretched it remembers: an attempt that is repeated is not stretched again.
    """

    def __init__(self, stretching: Stretching) -> None:
        self._stretching = stretching
        self._reservation: Reservation | None = None
        self._is_paid_for = False
        self._done: dict[tuple[Argon2id, bytes], bytes] = {}

    def reserve(self, parameters: Argon2id) -> None:
        """Make sure, before an attempt is paid for, that its stretching will be possible.

        Raises:
            VaultParametersRefused: the parameters are out of bounds.
            NotEnoughMemory: it will not.
        """
        self._stretching.check(parameters)
        try:
            self._reservation = parameters.reserve()
        except MemoryError as error:
            raise NotEnoughMemory(parameters.memory_kib) from error
        self._is_paid_for = True

    def of(self, parameters: Argon2id) -> Stretch:
        """Return the stretching function of these parameters; it raises NotEnoughMemory.

        Raises:
            VaultParametersRefused: they are out of bounds.
        """
        self._stretching.check(parameters)
        return lambda data: self._stretch(parameters, data)

    def _stretch(self, parameters: Argon2id, data: bytes) -> bytes:
        name = (parameters, data)
        if name not in self._done:
            self._release()
            try:
                with self._stretching.watch(parameters):
                    self._done[name] = parameters(data)
            except MemoryError as error:
                raise NotEnoughMemory(
                    parameters.memory_kib, is_paid_for=self._is_paid_for
                ) from error
        return self._done[name]

    def _release(self) -> None:
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
        self._done.clear()
