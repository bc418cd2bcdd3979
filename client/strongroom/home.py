"""What a device keeps between runs: the profile, and the backup key in keyring or file.

The folder is $STRONGROOM_HOME, or the platform's folder for settings. A file with the backup key
has mode 0600; one that others can read is refused.
"""

from __future__ import annotations

import os
import tempfile
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import click
import keyring
import tomlkit
from keyring.errors import KeyringError

from strongroom.backup_key import BackupKey
from strongroom.errors import StrongroomError

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYRING_SERVICE: Final = "strongroom"
PROFILE_FILE: Final = "profile.toml"
KEY_FILE: Final = "backup.key"
_OTHERS: Final = 0o077


class HomeUnusable(StrongroomError):
    """A file of the profile folder cannot be used; the message says which and why."""

    hint = "Mend or remove the file."


class KeyringUnusable(StrongroomError):
    """The system keyring does not work."""

    sentence = "The system keyring does not work here."
    hint = "Unlock it, or use --key-store file."


def home_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the profile."""
    named = environment.get("STRONGROOM_HOME")
    return Path(named) if named else Path(click.get_app_dir("strongroom"))


@dataclass(frozen=True, slots=True)
class Profile:
    """Which vault, as whom.

    Attributes:
        vault: host:port.
        identity: 44 characters, the vault's pinned identity.
        account: as the access token named it.
        ca_file: PEM with the roots to trust; empty for gRPC's own.
        access_token_file: where the access token is found; empty for none.
        key_store: "keyring" or "file": where the backup key is kept.
    """

    vault: str
    identity: str
    account: str
    ca_file: str = ""
    access_token_file: str = ""
    key_store: str = "file"


def load_profile(home: Path) -> Profile | None:
    """Return the profile, None where there is none yet.

    Raises:
        HomeUnusable: the file cannot be read or is no profile.
    """
    path = home / PROFILE_FILE
    try:
        return Profile(**tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, TypeError) as error:
        raise HomeUnusable(f"The profile {path} cannot be read: {error}") from error


def save_profile(home: Path, profile: Profile) -> None:
    """Write the profile."""
    _write_private(home / PROFILE_FILE, tomlkit.dumps(asdict(profile)))


class KeyStore(Protocol):
    """Keeps one backup key."""

    name: str

    def load(self) -> BackupKey | None:
        """Return the key, None where none is kept."""

    def save(self, key: BackupKey) -> None:
        """Keep the key, instead of any other."""


class FileKeyStore:
    """The backup key in a file of mode 0600."""

    name = "file"

    def __init__(self, home: Path) -> None:
        self._path = home / KEY_FILE

    def load(self) -> BackupKey | None:
        """Return the key, None where none is kept.

        Raises:
            HomeUnusable: others can read the file, or it holds no key.
        """
        try:
            mode = self._path.stat().st_mode
            digits = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        if mode & _OTHERS:
            raise HomeUnusable(
                f"Others can read {self._path}, which holds the backup key;"
                f" run: chmod 600 {self._path}"
            )
        return BackupKey.from_digits(digits)

    def save(self, key: BackupKey) -> None:
        """Keep the key, instead of any other."""
        _write_private(self._path, key.digits + "\n")


class KeyringKeyStore:
    """The backup key in the system keyring."""

    name = "keyring"

    def __init__(self, vault: str, account: str) -> None:
        self._user = f"{account} at {vault}"

    def load(self) -> BackupKey | None:
        """Return the key, None where none is kept."""
        try:
            digits = keyring.get_password(KEYRING_SERVICE, self._user)
        except KeyringError as error:
            raise KeyringUnusable from error
        return None if digits is None else BackupKey.from_digits(digits)

    def save(self, key: BackupKey) -> None:
        """Keep the key, instead of any other."""
        try:
            keyring.set_password(KEYRING_SERVICE, self._user, key.digits)
        except KeyringError as error:
            raise KeyringUnusable from error


def key_store(kind: str, home: Path, vault: str, account: str) -> KeyStore:
    """Return the store of a kind: keyring, file, or auto: the keyring where it works."""
    if kind == "keyring" or (kind == "auto" and has_keyring()):
        return KeyringKeyStore(vault, account)
    return FileKeyStore(home)


def has_keyring() -> bool:
    """Whether this system has a keyring that keeps secrets."""
    return keyring.get_keyring().priority >= 1


def _write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 that appears complete or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).rename(path)
    finally:
        Path(draft).unlink(missing_ok=True)
