"""The header of an age file (age-encryption.org/v1): what it says before anything is decrypted.

From it alone one knows that a file is an age file for X25519 keys, which of some keys opens it, and
how large its content is.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strongroom.errors import BackupDamaged, NotABackup

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION_LINE: Final = b"age-encryption.org/v1\n"
ARMOR: Final = b"-----BEGIN AGE ENCRYPTED FILE-----"
MAX_HEADER: Final = 64 * 1024
COLUMNS: Final = 64
SHARE: Final = 32
WRAPPED_FILE_KEY: Final = 32
PAYLOAD_NONCE: Final = 16
CHUNK: Final = 64 * 1024
TAG: Final = 16
_X25519: Final = b"X25519"
_LABEL: Final = b"age-encryption.org/v1/X25519"


@dataclass(frozen=True, slots=True)
class X25519Stanza:
    """A file key, wrapped for one recipient."""

    share: bytes
    wrapped_file_key: bytes

    def opens_with(self, secret: bytes) -> bool:
        """Whether the X25519 key `secret` (32 bytes) unwraps the file key."""
        private = X25519PrivateKey.from_private_bytes(secret)
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(self.share))
        except ValueError:  # a share of low order
            return False
        salt = self.share + private.public_key().public_bytes_raw()
        wrap_key = HKDF(SHA256(), 32, salt, _LABEL).derive(shared)
        try:
            ChaCha20Poly1305(wrap_key).decrypt(bytes(12), self.wrapped_file_key, None)
        except InvalidTag:
            return False
        return True


@dataclass(frozen=True, slots=True)
class AgeHeader:
    """What a header says.

    Attributes:
        stanzas: the X25519 ones, at least one.
        content_size: bytes of the decrypted content, if nothing is cut off.
    """

    stanzas: tuple[X25519Stanza, ...]
    content_size: int

    def opens_with(self, secret: bytes) -> bool:
        """Whether the X25519 key `secret` (32 bytes) opens the file."""
        return any(stanza.opens_with(secret) for stanza in self.stanzas)


def read_header(file: IO[bytes], file_size: int) -> AgeHeader:
    """Read the header of an age file that is open at its start.

    Raises:
        NotABackup: it is no age file, or one for another kind of key.
        BackupDamaged: it is cut off or garbled, as far as its beginning and its size tell.
    """
    text = file.read(MAX_HEADER)
    if not text.startswith(VERSION_LINE):
        raise NotABackup(_what_it_is(text))
    lines = _lines(text[len(VERSION_LINE) :])
    kinds: set[bytes] = set()
    stanzas: list[X25519Stanza] = []
    size = len(VERSION_LINE)
    for line in lines:
        size += len(line) + 1
        if line.startswith(b"---"):
            break
        arguments, body, body_size = _stanza(line, lines)
        size += body_size
        kinds.add(arguments[0])
        if arguments[0] == _X25519:
            stanzas.append(_x25519(arguments, body))
    if not stanzas:
        raise NotABackup(_other_kind(kinds))
    return AgeHeader(tuple(stanzas), _content_size(file_size - size))


def _lines(text: bytes) -> Iterator[bytes]:
    *whole, _rest = text.split(b"\n")
    yield from whole
    raise BackupDamaged  # the header ends with its MAC, not before


def _stanza(line: bytes, lines: Iterator[bytes]) -> tuple[list[bytes], bytes, int]:
    """Return a stanza's arguments, its body, and how many bytes of the header the body has."""
    arguments = line.split(b" ")
    if arguments[0] != b"->" or not all(arguments[1:]) or len(arguments) == 1:
        raise BackupDamaged
    body, size = b"", 0
    for part in lines:
        body += part
        size += len(part) + 1
        if len(part) < COLUMNS:
            break
    return arguments[1:], body, size


def _x25519(arguments: list[bytes], body: bytes) -> X25519Stanza:
    match arguments:
        case [_, share]:
            stanza = X25519Stanza(_decoded(share), _decoded(body))
        case _:
            raise BackupDamaged
    if len(stanza.share) != SHARE or len(stanza.wrapped_file_key) != WRAPPED_FILE_KEY:
        raise BackupDamaged
    return stanza


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise BackupDamaged from None


def _content_size(payload_size: int) -> int:
    whole, rest = divmod(payload_size - PAYLOAD_NONCE, CHUNK + TAG)
    is_cut = payload_size < PAYLOAD_NONCE + TAG or 0 < rest < TAG or (rest == TAG and whole > 0)
    if is_cut:
        raise BackupDamaged
    return whole * CHUNK + max(0, rest - TAG)


def _what_it_is(text: bytes) -> str:
    if text.startswith(ARMOR):
        return (
            "This is an age file written as text. `age -d` opens it with the identity that"
            " `strongroom show-key --age` prints."
        )
    return ""


def _other_kind(kinds: set[bytes]) -> str:
    if b"scrypt" in kinds:
        return "This age file opens with a passphrase of its own, not with a backup key."
    return "This age file was made for another kind of key than a backup key."
