"""The seed of an undecided attempt between two runs of the command, for two minutes.

A run that ends before its attempt is decided (no network, a closed terminal) is gone on with by the
next one, and not charged again. The seed tells nothing about the password. It is in memory where
the system has a folder for that ($XDG_RUNTIME_DIR), else in the home; nobody else can read it.
"""

from __future__ import annotations

import stat
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from strongroom.cli.profile import device_folder
from strongroom.cli.profile.device_folder import HomeUnusable
from strongroom_protocol.labels import ATTEMPT_SEED_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIFETIME_S: Final = 120
"""At the limit a vault keeps the key for so long, for a repetition of the last attempt (6.10)."""
PREFIX: Final = "attempt-"
_OTHERS: Final = 0o077


class AttemptFile:
    """A `PendingAttempt` in a file of one account in one vault."""

    def __init__(
        self, path: Path | Callable[[], Path], clock: Callable[[], float] = time.time
    ) -> None:
        """Take the path, or what returns it when it is needed."""
        self._named = path
        self._clock = clock

    @property
    def _path(self) -> Path:
        return self._named if isinstance(self._named, Path) else self._named()

    def load(self) -> bytes | None:
        """Return the seed, 32 bytes; None where no attempt is under way, or it is too old."""
        try:
            text = device_folder.read_private(self._path, is_secret=True)
            seed = None if text is None else self._seed(text)
        except HomeUnusable:
            seed = None  # not ours to believe; the attempt is a new one then
        if seed is None:
            self.forget()
        return seed

    def save(self, seed: bytes) -> None:
        """Keep the seed for two minutes from now."""
        device_folder.write_private(self._path, f"{int(self._clock())} {seed.hex()}\n")

    def forget(self) -> None:
        """Remove the file; one that cannot be removed ends by its age."""
        with suppress(OSError):
            self._path.unlink()

    def _seed(self, text: str) -> bytes | None:
        try:
            saved_at, digits = text.split()
            age, seed = self._clock() - int(saved_at), bytes.fromhex(digits)
        except ValueError:
            return None
        # A clock that was set back by little, as clocks are, must not cost the last attempt.
        is_good = len(seed) == ATTEMPT_SEED_SIZE and abs(age) <= LIFETIME_S
        return seed if is_good else None


def attempt_file(
    folder: Path, environment: Mapping[str, str], identity: Callable[[], str], account: str
) -> AttemptFile:
    """Return where the seed of an account's attempt at a vault is kept.

    The vault may be reached at another address the next time, so its identity names the file. It is
    known, and `identity` is called, when the vault was met.
    """
    kept_in = _in_memory(environment) or folder
    _remove_old(kept_in)

    def path() -> Path:
        name = sha256(f"{account}\n{identity()}".encode()).hexdigest()
        return kept_in / f"{PREFIX}{name}"

    return AttemptFile(path)


def _remove_old(folder: Path) -> None:
    """Remove what nobody came back for: with its KE1 a seed is as good as a hash of the password.

    Whoever gets a device later, and has what the vault was sent, could guess without a limit.
    """
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if abs(time.time() - path.lstat().st_mtime) > LIFETIME_S:
                path.unlink()


def _in_memory(environment: Mapping[str, str]) -> Path | None:
    """The folder of this user that is in memory, if there is one and it is as it should be."""
    named = environment.get("XDG_RUNTIME_DIR", "")
    folder = Path(named) / "strongroom"
    try:
        found = Path(named).stat()
    except (OSError, ValueError):
        return None
    is_private = stat.S_ISDIR(found.st_mode) and not found.st_mode & _OTHERS
    with suppress(HomeUnusable):
        device_folder.check_folder(Path(named))
        return folder if folder.is_absolute() and is_private else None
    return None
