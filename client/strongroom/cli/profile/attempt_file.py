"""The seed of an undecided attempt, kept between two runs of the command for two minutes.

If a run ends before its attempt is decided (no network, a closed terminal), the next one continues
the attempt, and it is not charged again. The seed says nothing about the password. It is stored in
memory if the system has a folder for that ($XDG_RUNTIME_DIR), else in the home; only this user can
read it.
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
"""How long a vault keeps the key after the last attempt, in case it is repeated (6.10)."""
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
        """Return the seed, 32 bytes; None if there is no attempt to continue, or it is too old."""
        try:
            text = device_folder.read_private(self._path, is_secret=True)
            seed = None if text is None else self._seed(text)
        except HomeUnusable:
            seed = None  # it cannot be trusted, so the attempt is a new one
        if seed is None:
            self.forget()
        return seed

    def save(self, seed: bytes) -> None:
        """Store the seed for two minutes."""
        device_folder.write_private(self._path, f"{int(self._clock())} {seed.hex()}\n")

    def forget(self) -> None:
        """Remove the file; if it cannot be removed, it expires."""
        with suppress(OSError):
            self._path.unlink()

    def _seed(self, text: str) -> bytes | None:
        try:
            saved_at, digits = text.split()
            age, seed = self._clock() - int(saved_at), bytes.fromhex(digits)
        except ValueError:
            return None
        # A clock that is set back a little must not cost the last attempt.
        is_good = len(seed) == ATTEMPT_SEED_SIZE and abs(age) <= LIFETIME_S
        return seed if is_good else None


def attempt_file(
    folder: Path, environment: Mapping[str, str], identity: Callable[[], str], account: str
) -> AttemptFile:
    """Return where the seed of an account's attempt is stored.

    The vault's identity names the file, for its address may be another one the next time.
    `identity` is called only when the file is used: by then the vault has said who it is.
    """
    kept_in = _in_memory(environment) or folder
    _remove_old(kept_in)

    def path() -> Path:
        name = sha256(f"{account}\n{identity()}".encode()).hexdigest()
        return kept_in / f"{PREFIX}{name}"

    return AttemptFile(path)


def _remove_old(folder: Path) -> None:
    """Remove seeds that were not used: with its KE1 a seed is as good as a hash of the password.

    Someone who gets the device later, and has what the vault was sent, could guess without a limit.
    """
    for path in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if abs(time.time() - path.lstat().st_mtime) > LIFETIME_S:
                path.unlink()


def _in_memory(environment: Mapping[str, str]) -> Path | None:
    """Return this user's folder in memory, if there is one that only they can use."""
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
