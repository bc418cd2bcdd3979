"""Keyrings that a system may have: good, forgetful, broken. Chosen by PYTHON_KEYRING_BACKEND."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked


class _InAFile(KeyringBackend):
    """Keeps everything in the file $ODD_KEYRING."""

    priority = 5

    @property
    def path(self) -> Path:
        return Path(os.environ["ODD_KEYRING"])

    def entries(self) -> dict[str, str]:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self.path.write_text(json.dumps(self.entries() | {f"{service}/{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self.entries()
        del entries[f"{service}/{username}"]
        self.path.write_text(json.dumps(entries))


class Good(_InAFile):
    """As it should be."""


class Forgetful(_InAFile):
    """Takes everything and keeps nothing, like keyring.backends.null."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Altering(_InAFile):
    """Gives back something else."""

    def get_password(self, service: str, username: str) -> str | None:
        found = super().get_password(service, username)
        return None if found is None else found[:-2]


class Locked(_InAFile):
    """The person has not unlocked it."""

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("locked")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("locked")


class Crashing(_InAFile):
    """Raises what no keyring should."""

    def get_password(self, service: str, username: str) -> str | None:
        raise ValueError("no bus")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise ValueError("no bus")
