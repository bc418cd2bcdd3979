"""The files that settings name: opened and read, or refused in the name of their setting.

A refusal says which setting names the file, where it is, what is wrong with it, and in its hint
what helps. It never tells anybody to change a file's mode by a command: a setting that points at
the wrong file would make that command harm the machine.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import is_open_to_others, kind_of, others_can_write
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST: Final = 1024 * 1024
"""Bytes of the largest file that is read."""
AS_ITS_USER: Final = (
    "Run this as the vault's own user (vault-operator does), or give the file to that user."
)


@dataclass(frozen=True, slots=True)
class FileSetting:
    """A setting that names a file.

    Attributes:
        section: its table.
        name: its name there.
        what: what the file is, in words that follow "name".
        made: how one is made for development, in a sentence; empty if no command makes one.
    """

    section: str
    name: str
    what: str
    made: str = ""

    def refused(self, problem: str, hint: str = "") -> OperatorError:
        """Return a refusal of the file; `problem` has its path, `hint` says what helps."""
        return OperatorError(f"{named(self.section, self.name)}: {problem}", hint or self._name_it)

    def require(self, path: Path) -> None:
        """Check that the file is there and can be read.

        Raises:
            OperatorError: it is not, or cannot.
        """
        with self._opened(path):
            pass

    def require_secret(self, path: Path) -> None:
        """Check that the file can be read by its owner alone, without reading it.

        Raises:
            OperatorError: it cannot be read, is empty, or others can read it.
        """
        with self._opened(path) as file:
            self._refuse_open_to_others(path)
            self._refuse_size(path, os.fstat(file).st_size, LARGEST)

    def read(self, path: Path, limit: int = LARGEST) -> bytes:
        """Return what the file has: 1 to `limit` bytes.

        Raises:
            OperatorError: it cannot be read, is empty, or larger.
        """
        with self._opened(path) as file, os.fdopen(file, "rb", closefd=False) as stream:
            try:
                data = stream.read(limit + 1)
            except OSError as error:
                raise self.refused(f"cannot read {path}: {error.strerror}") from error
        self._refuse_size(path, len(data), limit)
        return data

    def read_secret(self, path: Path) -> bytes:
        """Return what the file has, if its owner alone can read it.

        Raises:
            OperatorError: as `require_secret`.
        """
        self.require_secret(path)
        return self.read(path)

    def require_trusted(self, path: Path) -> None:
        """Check that nobody but its owner can write the file.

        Raises:
            OperatorError: it cannot be read, or others can write it.
        """
        self.require(path)
        if others_can_write(path):
            hint = f"If it is {self.what}, give it mode 0644. If it is not, {self._name_it_here}"
            raise self.refused(f"others can write {path}", hint)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[int]:
        try:
            # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError as error:
            hint = f"Put {self.what} there, or {self._name_it_here} {self.made}".rstrip()
            raise self.refused(f"{path} does not exist", hint) from error
        except PermissionError as error:
            raise self.refused(f"this user may not read {path}", AS_ITS_USER) from error
        except OSError as error:
            raise self.refused(f"cannot read {path}: {error.strerror}") from error
        try:
            mode = os.fstat(file).st_mode
            if not stat.S_ISREG(mode):
                raise self.refused(f"{path} is {kind_of(mode)}, not a file")
            yield file
        finally:
            os.close(file)

    def _refuse_open_to_others(self, path: Path) -> None:
        if is_open_to_others(path):
            hint = f"If it is {self.what}, give it mode 0600. If it is not, {self._name_it_here}"
            raise self.refused(f"others can read {path}", hint)

    def _refuse_size(self, path: Path, size: int, limit: int) -> None:
        if size == 0:
            raise self.refused(f"{path} is empty")
        if size > limit:
            raise self.refused(f"{path} has more than {limit} bytes")

    @property
    def _name_it(self) -> str:
        return f"It must name {self.what}. {self.made}".rstrip()

    @property
    def _name_it_here(self) -> str:
        return "name another file in the settings."


PIN_FILE: Final = FileSetting("token", "pin_file", "the file with the token's user PIN")
CERTIFICATE_FILE: Final = FileSetting(
    "listen",
    "certificate_file",
    "the vault's TLS certificate with its chain (PEM)",
    "For development, strongroom-vault self-signed FOLDER makes one.",
)
KEY_FILE: Final = FileSetting(
    "listen",
    "key_file",
    "the private key of the TLS certificate (PEM)",
    "For development, strongroom-vault self-signed FOLDER makes one.",
)
JWKS_FILE: Final = FileSetting(
    "access_tokens",
    "jwks_file",
    "the JWK set of your identity provider",
    "For development, strongroom-vault token create-issuer FOLDER makes one.",
)
