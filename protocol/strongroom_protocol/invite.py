"""An invite: one string with all that a client must know about a vault, and no secret (4.5).

    "strongroom1" || base32(body || checksum)

Base32 in small letters survives what happens to text on its way: a double click selects all of it,
and neither line breaks nor capital letters change what it says. Four bytes of a hash tell whether
it is whole.
"""

from __future__ import annotations

import re
from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from strongroom_protocol import labels
from strongroom_protocol.addresses import BadAddress, normalised
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.invisible import INVISIBLE
from strongroom_protocol.opaque.errors import OpaqueError
from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.labels import NPK

PREFIX: Final = "strongroom1"
VERSION: Final = 1
MAX_TEXT: Final = 1024
"""Characters; the longest invite of this version has 650."""
FINGERPRINT_SIZE: Final = 32
_CHECKSUM_SIZE: Final = 4


class BadInvite(StrongroomError):
    """The text is not an invite, not a whole one, or contradicts something else that was given."""

    message = "This is not a whole invite: a part of it is missing or mistyped."
    hint = "Copy the whole invite again; it begins with strongroom1. The vault's operator has it."


@dataclass(frozen=True, slots=True)
class Invite:
    """What an invite says.

    Attributes:
        address: host:port, normalised.
        vault_id: 1 to 64 characters of [a-z0-9.-].
        identity: 33 bytes, the vault's identity public key.
        ca_fingerprint: SHA-256 of the DER form of the certificate to trust (32 bytes), which the
            vault presents in its chain. Empty where a public authority vouches for the vault.
    """

    address: str
    vault_id: str
    identity: bytes
    ca_fingerprint: bytes = b""

    def encode(self) -> str:
        """Return the invite as text."""
        fields = (self.vault_id.encode(), self.address.encode(), self.ca_fingerprint)
        body = bytes([VERSION]) + self.identity + b"".join(map(_with_length, fields))
        return PREFIX + b32encode(body + _checksum(body)).decode().rstrip("=").lower()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read an invite. White space, invisible characters and the case of letters do not matter.

        Raises:
            BadInvite: it is not an invite, not a whole one, or of a later version.
        """
        if len(text) > MAX_TEXT:
            raise BadInvite
        written = INVISIBLE.sub("", "".join(text.split())).lower()
        body = _body(written)
        if body[0] != VERSION:
            raise BadInvite("This invite is of a later version than this program can read.")
        identity, rest = body[1 : 1 + NPK], body[1 + NPK :]
        vault_id, rest = _next_field(rest)
        address, rest = _next_field(rest)
        fingerprint, rest = _next_field(rest)
        invite = cls(_text(address), _text(vault_id), identity, fingerprint)
        if rest or not invite._is_sound() or invite.encode() != written:
            raise BadInvite("This invite says what no vault can be like.")
        return invite

    def _is_sound(self) -> bool:
        """Whether each field is what the protocol says."""
        try:
            Element.decode(self.identity)
            is_written_well = normalised(self.address) == self.address
        except (OpaqueError, BadAddress):
            return False
        return (
            is_written_well
            and len(self.ca_fingerprint) in (0, FINGERPRINT_SIZE)
            and re.fullmatch(labels.VAULT_ID, self.vault_id) is not None
        )


def is_invite(text: object) -> bool:
    """Whether something is meant as an invite; it need not be a whole one."""
    return isinstance(text, str) and text.strip().lower().startswith(PREFIX)


def _body(written: str) -> bytes:
    """Return what stands between prefix and checksum, if the checksum fits."""
    if not written.startswith(PREFIX):
        raise BadInvite("This is not an invite: it does not begin with strongroom1.")
    encoded = written.removeprefix(PREFIX).upper()
    try:
        data = b32decode(encoded + "=" * (-len(encoded) % 8))
    except (Base32Error, ValueError) as error:  # ValueError: other letters than those of ASCII
        raise BadInvite from error
    body, checksum = data[:-_CHECKSUM_SIZE], data[-_CHECKSUM_SIZE:]
    if not body or checksum != _checksum(body):
        raise BadInvite
    return body


def _checksum(body: bytes) -> bytes:
    return sha256(labels.INVITE + body).digest()[:_CHECKSUM_SIZE]


def _with_length(field: bytes) -> bytes:
    return len(field).to_bytes(2, "big") + field


def _next_field(data: bytes) -> tuple[bytes, bytes]:
    """Return the first field and what follows it; a field that is cut short is not sound."""
    size = int.from_bytes(data[:2], "big")
    return data[2 : 2 + size], data[2 + size :]


def _text(field: bytes) -> str:
    return field.decode("ascii", "replace")
