"""Seals: bytes that only this vault can open and nobody can change, bound to what they are for.

    sealed = salt (32 random bytes) || AES-256-GCM(key, nonce of zeros, plaintext, associated data)
    key    = HMAC-SHA-256(derived key, salt)

Every seal has a key of its own, so there is no limit on their number. The derived key carries the
label (`labels.py`), the associated data what the plaintext belongs to: the record id or the
account.
"""

from __future__ import annotations

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom_protocol.labels import ROW_MULTIPLE
from strongroom_vault.errors import StrongroomVaultError

SALT_SIZE: Final = 32
TAG_SIZE: Final = 16
OVERHEAD: Final = SALT_SIZE + TAG_SIZE
_NONCE: Final = bytes(12)
_LENGTH_SIZE: Final = 4


class InvalidSeal(StrongroomVaultError):
    """These bytes were not sealed by this vault for this purpose, or were changed."""


class Sealer:
    """Seals and opens under one derived key (32 bytes)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Return the sealed plaintext, OVERHEAD bytes longer than it."""
        salt = os.urandom(SALT_SIZE)
        return salt + self._cipher(salt).encrypt(_NONCE, plaintext, associated_data)

    def open(self, sealed: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidSeal: the seal is not ours, is for something else, or was changed.
        """
        salt, ciphertext = sealed[:SALT_SIZE], sealed[SALT_SIZE:]
        if len(ciphertext) < TAG_SIZE:
            raise InvalidSeal("too short for a seal")
        try:
            return self._cipher(salt).decrypt(_NONCE, ciphertext, associated_data)
        except InvalidTag as error:
            raise InvalidSeal("the seal does not verify") from error

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(hmac.digest(self._key, salt, "sha256"))


class RowSealer:
    """Seals rows of the store: padded, so that a row's length does not show what is in it."""

    def __init__(self, key: bytes) -> None:
        self._sealer = Sealer(key)

    def seal(self, plaintext: bytes, record_id: bytes) -> bytes:
        """Return a row whose length is a multiple of ROW_MULTIPLE bytes."""
        framed = len(plaintext).to_bytes(_LENGTH_SIZE, "big") + plaintext
        padding = bytes(-(len(framed) + OVERHEAD) % ROW_MULTIPLE)
        return self._sealer.seal(framed + padding, record_id)

    def open(self, row: bytes, record_id: bytes) -> bytes:
        """Return what was sealed for `record_id`.

        Raises:
            InvalidSeal: the row is not ours, belongs to another record, or was changed.
        """
        padded = self._sealer.open(row, record_id)
        length = int.from_bytes(padded[:_LENGTH_SIZE], "big")
        return padded[_LENGTH_SIZE : _LENGTH_SIZE + length]
