"""The header of an age file (age-encryption.org/v1): what it says before anything is decrypted.

From it alone one knows that a file is an age file for X25519 keys, which of some keys opens it,
whether the header itself is whole, and how large the content is. A file may be written as text.
"""

from __future__ import annotations

import binascii
import hmac
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
ARMOR_END: Final = b"-----END AGE ENCRYPTED FILE-----"
MAX_HEADER: Final = 256 * 1024
"""Room for 2,600 recipients. Each costs a key agreement, so there is an end."""
MAX_BEGINNING: Final = 2 * MAX_HEADER
"""Bytes of a file that are read to see its header: as text it is a third longer."""
COLUMNS: Final = 64
SHARE: Final = 32
WRAPPED_FILE_KEY: Final = 32
PAYLOAD_NONCE: Final = 16
CHUNK: Final = 64 * 1024
TAG: Final = 16
_X25519: Final = b"X25519"
_LABEL: Final = b"age-encryption.org/v1/X25519"
_END: Final = b"---"
CUT: Final = "This backup is damaged: it is cut off, and its end is missing."
CHANGED: Final = "This backup is damaged: its header was changed after it was made."


@dataclass(frozen=True, slots=True)
class X25519Stanza:
    """A file key, wrapped for one recipient."""

    share: bytes
    wrapped_file_key: bytes

    def file_key(self, private: X25519PrivateKey, public: bytes) -> bytes | None:
        """Return the file key (16 bytes), None where this is not its key pair."""
        try:
            shared = private.exchange(X25519PublicKey.from_public_bytes(self.share))
        except ValueError:  # a share of low order
            return None
        wrap_key = HKDF(SHA256(), 32, self.share + public, _LABEL).derive(shared)
        try:
            return ChaCha20Poly1305(wrap_key).decrypt(bytes(12), self.wrapped_file_key, None)
        except InvalidTag:
            return None


@dataclass(frozen=True, slots=True)
class AgeHeader:
    """What a header says.

    Attributes:
        stanzas: the X25519 ones, at least one.
        content_size: bytes of the decrypted content, if nothing is cut off; of a file that is
            written as text at most so many, and 0 where the file's size is not known.
        authentic, mac: what the header's MAC covers, and the MAC.
    """

    stanzas: tuple[X25519Stanza, ...]
    content_size: int
    authentic: bytes
    mac: bytes

    def opens_with(self, secret: bytes) -> bool:
        """Whether the X25519 key `secret` (32 bytes) opens the file.

        Raises:
            BackupDamaged: it does, and the header was changed elsewhere.
        """
        private = X25519PrivateKey.from_private_bytes(secret)
        public = private.public_key().public_bytes_raw()
        keys = (stanza.file_key(private, public) for stanza in self.stanzas)
        file_key = next((key for key in keys if key is not None), None)
        if file_key is None:
            return False
        mac_key = HKDF(SHA256(), 32, None, b"header").derive(file_key)
        if not hmac.compare_digest(hmac.digest(mac_key, self.authentic, "sha256"), self.mac):
            raise BackupDamaged(CHANGED)
        return True


def read_header(file: IO[bytes], file_size: int | None) -> AgeHeader:
    """Read the header of an age file that is open at its start.

    Args:
        file: what is read of it is at most MAX_BEGINNING.
        file_size: bytes in all, None where that is not known.

    Raises:
        NotABackup: it is no age file, or one for another kind of key, or of too many.
        BackupDamaged: it is cut off or garbled, as far as its beginning and its size tell.
    """
    beginning = file.read(MAX_BEGINNING)
    armored = beginning.lstrip()
    if armored.startswith(ARMOR):
        binary = _without_armor(armored, is_all=len(beginning) < MAX_BEGINNING)
        return _header(binary, None, (file_size or 0) * 3 // 4)
    return _header(beginning, file_size, 0)


def _header(text: bytes, file_size: int | None, content_size: int) -> AgeHeader:
    if not text.startswith(VERSION_LINE):
        raise NotABackup
    lines = _lines(text[len(VERSION_LINE) : MAX_HEADER])
    kinds: set[bytes] = set()
    stanzas: list[X25519Stanza] = []
    size = len(VERSION_LINE)
    authentic, mac = b"", b""
    for line in lines:
        size += len(line) + 1
        if line.startswith(_END):
            authentic, mac = text[: size - len(line) - 1 + len(_END)], _mac(line[4:])
            break
        arguments, body, body_size = _stanza(line, lines)
        size += body_size
        kinds.add(arguments[0])
        if arguments[0] == _X25519:
            stanzas.append(_x25519(arguments, body))
    if not stanzas:
        raise NotABackup(_other_kind(kinds))
    if file_size is not None:
        content_size = _content_size(file_size - size)
    return AgeHeader(tuple(stanzas), content_size, authentic, mac)


def _lines(text: bytes) -> Iterator[bytes]:
    *whole, _rest = text.split(b"\n")
    yield from whole
    if len(VERSION_LINE) + len(text) >= MAX_HEADER:
        raise NotABackup("This age file has more recipients than any backup. Open it with age.")
    raise BackupDamaged(CUT)  # the header ends with its MAC, not before


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


def _mac(text: bytes) -> bytes:
    """Return a header's MAC; of one that is garbled nothing, which is no MAC."""
    try:
        return _decoded(text)
    except BackupDamaged:
        return b""


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise BackupDamaged from None


def _content_size(payload_size: int) -> int:
    whole, rest = divmod(payload_size - PAYLOAD_NONCE, CHUNK + TAG)
    is_cut = payload_size < PAYLOAD_NONCE + TAG or 0 < rest < TAG or (rest == TAG and whole > 0)
    if is_cut:
        raise BackupDamaged(CUT)
    return whole * CHUNK + max(0, rest - TAG)


def _without_armor(text: bytes, *, is_all: bool) -> bytes:
    """Return what is written as text (base64 in lines of 64 columns), as far as it was read."""
    lines = [line.strip() for line in text.split(b"\n")[1:]]
    if ARMOR_END in lines:
        lines = lines[: lines.index(ARMOR_END)]
    elif is_all:
        raise BackupDamaged(CUT)
    else:
        del lines[-1]  # perhaps half a line
    return _decoded(b"".join(lines))


def _other_kind(kinds: set[bytes]) -> str:
    if b"scrypt" in kinds:
        return "This age file opens with a passphrase of its own, not with a backup key."
    return "This age file was made for another kind of key than a backup key."
