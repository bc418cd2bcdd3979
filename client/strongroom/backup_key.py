"""The backup key: 32 random bytes, its 64 digits, and age files under it.

A backup is an ordinary age file (age-encryption.org/v1): the backup key is an X25519 identity, so
the `age` program opens a backup without Strongroom.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, NoReturn, TypeAlias

import bech32
import pyrage

from strongroom.arguments import check_file, check_types
from strongroom.backup_files import Sink, Unread, Watched, opened, opened_backup, translated
from strongroom.digits import DIGITS, in_groups, read_digits
from strongroom.drafts import new_file
from strongroom.errors import BadDigits, WrongKey

SIZE: Final = 32
_AGE_IDENTITY: Final = "age-secret-key-"


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, now and then and at the end. The bytes in all
are 0 where nobody knows them, as of a pipe."""


class BackupKey:
    """The key that encrypts a person's backups. Secret: its repr shows nothing."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Take 32 bytes; other bytes are a ValueError, anything else a TypeError."""
        check_types(secret=(secret, bytes))
        if len(secret) != SIZE:
            raise ValueError("a backup key has 32 bytes")
        self._secret = secret

    @classmethod
    def generate(cls) -> BackupKey:
        """Return a fresh random key."""
        return cls(os.urandom(SIZE))

    @classmethod
    def from_digits(cls, text: str) -> BackupKey:
        """Return the key of 64 hexadecimal digits.

        Args:
            text: the digits as a person writes them: capital or small, with spaces, dashes or ends
                of lines between them, and letters that look like a digit (O, l).

        Raises:
            BadDigits: these are not 64 hexadecimal digits.
            TypeError: this is not a str.
        """
        check_types(text=(text, str))
        digits = read_digits(text)
        if len(digits) != DIGITS:
            raise BadDigits(
                f"This is not a 64-digit key: it has {len(digits)} digits, and {DIGITS} are needed."
            )
        return cls(bytes.fromhex(digits))

    @property
    def digits(self) -> str:
        """The key as 64 hexadecimal digits in groups of four. Secret."""
        return in_groups(self._secret.hex())

    def to_bytes(self) -> bytes:
        """Return the 32 bytes. Secret."""
        return self._secret

    @property
    def age_identity(self) -> str:
        """The key as the `age` program takes it: AGE-SECRET-KEY-1... Secret."""
        words = bech32.convertbits(self._secret, 8, 5) or ()
        return bech32.bech32_encode(_AGE_IDENTITY, words).upper()

    @property
    def age_recipient(self) -> str:
        """The public half, age1...: whoever has it can encrypt to this key."""
        return str(self._identity().to_public())

    def encrypt_file(
        self,
        source: Path | str,
        target: Path | str,
        progress: Progress | None = None,
        *,
        replace: bool = False,
    ) -> None:
        """Encrypt `source` into the age file `target`, which appears complete or not at all.

        Args:
            source: what is encrypted.
            target: where the backup goes.
            progress: is told how far it is, in bytes.
            replace: whether the backup may take the place of an earlier one once it is complete.

        Raises:
            OutputExists: `target` already exists.
            OSError: a file cannot be read or written.
            TypeError: an argument has another type.
        """
        check_types(
            source=(source, str, os.PathLike),
            target=(target, str, os.PathLike),
            progress=(progress, Callable, None),
            replace=(replace, bool),
        )
        with opened(Path(source)) as reader, new_file(Path(target), replace=replace) as writer:
            self.encrypt(reader, writer, progress)

    def encrypt(
        self, reader: IO[bytes] | Unread, writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Encrypt all of one open file of bytes, or pipe, into another.

        Args:
            reader: has `read`; what is encrypted.
            writer: has `write` and `flush`; where the age file goes. It is not closed.
            progress: is told how far it is, in bytes.

        Raises:
            OSError: one cannot be read or written.
            TypeError: an argument has another type.
        """
        check_file("reader", reader, "read")
        check_file("writer", writer, "write")
        check_types(progress=(progress, Callable, None))
        recipient = self._identity().to_public()
        watched, output = Watched(reader, progress), Sink(writer)
        with translated(watched, output):
            pyrage.encrypt_io(watched, output, [recipient])
        watched.finish()

    def decrypt_file(
        self, source: Path | str, target: Path | str, progress: Progress | None = None
    ) -> None:
        """Decrypt the age file `source` into `target`, which appears complete or not at all.

        Args:
            source: a backup, binary or as text (armor).
            target: where the content goes.
            progress: is told how far it is, in bytes.

        Raises:
            NotABackup, WrongKey, BackupDamaged: nothing was written.
            OutputExists: `target` already exists.
            OSError: a file cannot be read or written.
            TypeError: an argument has another type.
        """
        check_types(
            source=(source, str, os.PathLike),
            target=(target, str, os.PathLike),
            progress=(progress, Callable, None),
        )
        with opened(Path(source)) as reader, new_file(Path(target)) as writer:
            self.decrypt(reader, writer, progress)

    def decrypt(
        self, reader: IO[bytes] | Unread, writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Decrypt an open age file, or a pipe, into another.

        Each part is written only once age has found it authentic; that the last one was reached is
        known only when this returns.

        Args:
            reader: has `read`; the age file.
            writer: has `write` and `flush`; where the content goes. It is not closed.
            progress: is told how far it is, in bytes.

        Raises:
            NotABackup, WrongKey: nothing was written.
            BackupDamaged: it does not open, or not to its end.
            OSError: a file cannot be read or written.
            TypeError: an argument has another type.
        """
        check_file("reader", reader, "read")
        check_file("writer", writer, "write")
        check_types(progress=(progress, Callable, None))
        header, whole = opened_backup(reader)
        if not header.opens_with(self._secret):
            raise WrongKey
        watched, output = Watched(whole, progress), Sink(writer)
        with translated(watched, output):
            pyrage.decrypt_io(watched, output, [self._identity()])
        watched.finish()

    def _identity(self) -> pyrage.x25519.Identity:
        return pyrage.x25519.Identity.from_str(self.age_identity)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BackupKey):
            return NotImplemented
        return hmac.compare_digest(self._secret, other._secret)

    __hash__ = None  # type: ignore[assignment]  # a secret is no key of a table

    def __repr__(self) -> str:
        return "BackupKey(<secret>)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a backup key is not pickled")
