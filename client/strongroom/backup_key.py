"""The backup key: 32 random bytes, its 64 digits, and age files under it.

A backup is an ordinary age file (age-encryption.org/v1): the backup key is an X25519 identity, so
the `age` program opens a backup without Strongroom.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

import bech32
import pyrage

from strongroom.age_header import read_header
from strongroom.drafts import new_file
from strongroom.errors import BackupDamaged, BadDigits, WrongKey

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

SIZE: Final = 32
GROUP: Final = 4
READ_SIZE: Final = 1024 * 1024
WRITE_OUT_SIZE: Final = 16 * READ_SIZE
_AGE_IDENTITY: Final = "age-secret-key-"


Progress: TypeAlias = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all, now and then and at the end."""


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
        """Return the key of 64 hexadecimal digits; white space and hyphens do not count.

        Raises:
            BadDigits: these are not 64 hexadecimal digits.
        """
        digits = "".join(text.split()).replace("-", "").lower()
        strange = sorted(set(digits) - set("0123456789abcdef"))
        if strange:
            raise BadDigits(f"This is not a 64-digit key: {strange[0]!r} is not a digit of it.")
        if len(digits) != 2 * SIZE:
            raise BadDigits(f"This is not a 64-digit key: it has {len(digits)} digits.")
        return cls(bytes.fromhex(digits))

    @property
    def digits(self) -> str:
        """The key as 64 hexadecimal digits in groups of four. Secret."""
        digits = self._secret.hex()
        return " ".join(digits[i : i + GROUP] for i in range(0, len(digits), GROUP))

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
        self, source: Path | str, target: Path | str, progress: Progress | None = None
    ) -> None:
        """Encrypt `source` into the age file `target`, which appears complete or not at all.

        Raises:
            OutputExists: `target` is there already.
            OSError: a file cannot be read or written.
        """
        with opened(Path(source)) as reader, new_file(Path(target)) as writer:
            self.encrypt(reader, writer, progress)

    def encrypt(
        self, reader: IO[bytes], writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Encrypt all of one open file into another."""
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
            read_header(reader, os.fstat(reader.fileno()).st_size)
            reader.seek(0)
            self.decrypt(reader, writer, progress)

    def decrypt(
        self, reader: IO[bytes], writer: IO[bytes], progress: Progress | None = None
    ) -> None:
        """Decrypt an open age file into another; until it returns, what was written may be false.

        Raises:
            WrongKey, BackupDamaged: it does not open, or not to its end.
        """
        watched, output = _Watched(reader, progress), _Sink(writer)
        try:
            with _translated(watched, output):
                pyrage.decrypt_io(watched, output, [self._identity()])
        except WrongKey as error:
            if self._opens(reader):
                raise BackupDamaged from error  # the header was changed elsewhere
            raise
        watched.finish()

    def _opens(self, reader: IO[bytes]) -> bool:
        """Whether the header of an age file has a file key for this key."""
        size = reader.seek(0, os.SEEK_END)
        reader.seek(0)
        return read_header(reader, size).opens_with(self._secret)

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


class _Watched:
    """A reader that reports progress and remembers its own error, which age may rename."""

    def __init__(self, file: IO[bytes], progress: Progress | None) -> None:
        self._file = file
        self._progress = progress
        self._total = os.fstat(file.fileno()).st_size
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
        self.errors: list[BaseException] = []
        self.write = _sender(self._write, self.errors)
        self.flush = file.flush

    def _write(self, data: bytes) -> int:
        written = self._file.write(data)
        self._unwritten += written
        if self._unwritten >= WRITE_OUT_SIZE:
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
    try:
        yield
    except (pyrage.DecryptError, pyrage.EncryptError, OSError, StopIteration) as error:
        for file in files:
            if file.errors:
                raise file.errors[0] from error
        if isinstance(error, pyrage.DecryptError):
            raise WrongKey from error
        if isinstance(error, OSError) and error.errno is None:
            raise BackupDamaged from error
        raise
