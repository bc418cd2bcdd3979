"""The backup key: 32 random bytes, its 64 digits, and age files under it.

A backup is an ordinary age file (age-encryption.org/v1): the backup key is an X25519 identity, so
the `age` program opens a backup without Strongroom.
"""

from __future__ import annotations

import hmac
import io
import os
import stat
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import bech32
import pyrage

from strongroom.age_header import CUT, MAX_BEGINNING, VERSION_LINE, read_header
from strongroom.digits import DIGITS, in_groups, read_digits
from strongroom.drafts import new_file
from strongroom.errors import BackupDamaged, BadDigits, WrongKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from strongroom.age_header import AgeHeader

SIZE: Final = 32
READ_SIZE: Final = 1024 * 1024
WRITE_OUT_SIZE: Final = 16 * READ_SIZE
_AGE_IDENTITY: Final = "age-secret-key-"


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, now and then and at the end. The bytes in all
are 0 where nobody knows them, as of a pipe."""


class BackupKey:
    """The key that encrypts a person's backups. Secret: its repr shows nothing."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Take 32 bytes; other bytes are a ValueError, anything else a TypeError."""
        if not isinstance(secret, bytes):
            raise TypeError("a backup key is made of bytes")
        if len(secret) != SIZE:
            raise ValueError("a backup key has 32 bytes")
        self._secret = secret

    @classmethod
    def generate(cls) -> BackupKey:
        """Return a fresh random key."""
        return cls(os.urandom(SIZE))

    @classmethod
    def from_digits(cls, text: str) -> BackupKey:
        """Return the key of 64 hexadecimal digits, as a person writes them (`digits.read_digits`).

        Raises:
            BadDigits: these are not 64 hexadecimal digits.
        """
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
            progress: is told how far it is.
            replace: whether the backup may take the place of an earlier one once it is complete.

        Raises:
            OutputExists: `target` is there already.
            OSError: a file cannot be read or written.
        """
        with opened(Path(source)) as reader, new_file(Path(target), replace=replace) as writer:
            self.encrypt(reader, writer, progress)

    def encrypt(
        self, reader: IO[bytes] | Unread, writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Encrypt all of one open file, or pipe, into another."""
        recipient = self._identity().to_public()
        watched, output = _Watched(reader, progress), _Sink(writer)
        with _translated(watched, output):
            pyrage.encrypt_io(watched, output, [recipient])
        watched.finish()

    def decrypt_file(
        self, source: Path | str, target: Path | str, progress: Progress | None = None
    ) -> None:
        """Decrypt the age file `source` into `target`, which appears complete or not at all.

        Raises:
            NotABackup, WrongKey, BackupDamaged: nothing was written.
            OutputExists: `target` is there already.
            OSError: a file cannot be read or written.
        """
        with opened(Path(source)) as reader, new_file(Path(target)) as writer:
            self.decrypt(reader, writer, progress)

    def decrypt(
        self, reader: IO[bytes] | Unread, writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Decrypt an open age file, or a pipe, into another.

        Each part is written only once age has found it authentic; that the last one was reached is
        known only when this returns.

        Raises:
            NotABackup, WrongKey: nothing was written.
            BackupDamaged: it does not open, or not to its end.
        """
        header, whole = opened_backup(reader)
        if not header.opens_with(self._secret):
            raise WrongKey
        watched, output = _Watched(whole, progress), _Sink(writer)
        with _translated(watched, output):
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


def _remembering(
    function: Callable[[Any], Any], errors: list[BaseException]
) -> Generator[Any, Any, None]:
    """Make `function` a generator, whose `send` calls it and puts its error into `errors`.

    age renames errors, that of a Ctrl-C too. A signal raises where Python's code begins: in a
    function that is before its first line and outside of every `try`, in a generator inside.
    """
    try:
        result = None
        while True:
            result = function((yield result))
    except BaseException as error:
        errors.append(error)
        raise


def _sender(function: Callable[[Any], Any], errors: list[BaseException]) -> Callable[[Any], Any]:
    calls = _remembering(function, errors)
    next(calls)
    return calls.send


class Unread:
    """An open file, or a pipe, whose beginning was read and is read once more."""

    def __init__(self, beginning: bytes, file: IO[bytes] | Unread) -> None:
        self._beginning = io.BytesIO(beginning)
        self._file = file

    def fileno(self) -> int:
        """Return the descriptor of the file."""
        return self._file.fileno()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size` of them; none at the end."""
        return self._beginning.read(size) or self._file.read(size)


def opened_backup(file: IO[bytes] | Unread) -> tuple[AgeHeader, Unread]:
    """Read the header of a backup. Return it, and the whole file as it was.

    Raises:
        NotABackup, BackupDamaged: as far as the file's beginning and its size tell.
    """
    beginning = b""
    while part := file.read(MAX_BEGINNING - len(beginning)):  # a pipe gives it in parts
        beginning += part
    header = read_header(io.BytesIO(beginning), size_of(file))
    if not beginning.startswith(VERSION_LINE):
        beginning = beginning.lstrip()  # what stands before an armor's first line
    return header, Unread(beginning, file)


def size_of(file: IO[bytes] | Unread) -> int | None:
    """Return the bytes of a file on a disk; None of a pipe, a terminal, and what is no file."""
    try:
        found = os.fstat(file.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


class _Watched:
    """A reader that reports progress and remembers its own error, which age may rename."""

    def __init__(self, file: IO[bytes] | Unread, progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._total = size_of(file) or 0
        self._done = 0
        self.errors: list[BaseException] = []
        self.read = _sender(self._read, self.errors)

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        if self._progress is not None:
            self._progress(self._done, self._total)
        return data

    def finish(self) -> None:
        """Report the end, also of an empty file."""
        if self._progress is not None:
            self._progress(self._total, self._total)


class _Sink:
    """A writer that remembers its own error, which age may rename.

    It has the disk write while age still computes, so that the sync at the end is short.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._unwritten = 0
        self._is_on_disk = size_of(file) is not None
        self.errors: list[BaseException] = []
        self.write = _sender(self._write, self.errors)
        self.flush = file.flush

    def _write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._unwritten += written
        if self._unwritten >= WRITE_OUT_SIZE and self._is_on_disk:
            self._unwritten = 0
            _write_out(self._file.fileno())
        return written


def opened(path: Path) -> IO[bytes]:
    """Open a file as it is read best: in large parts."""
    return path.open("rb", READ_SIZE)


def _write_out(descriptor: int) -> None:
    """Begin to write what is cached, where the system has a way to ask for it."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def _translated(*files: _Watched | _Sink) -> Iterator[None]:
    """Raise the error of a file as it was, also one that age swallows with its last write."""
    try:
        yield
    except (pyrage.DecryptError, pyrage.EncryptError, OSError, StopIteration) as error:
        for file in files:
            if file.errors:
                raise file.errors[0] from error
        is_of_age = isinstance(error, OSError) and error.errno is None
        if isinstance(error, pyrage.DecryptError) or is_of_age:
            raise BackupDamaged(CUT if "truncated" in str(error) else "") from error
        raise
    for file in files:
        if file.errors:
            raise file.errors[0]
