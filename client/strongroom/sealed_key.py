"""The backup key as the vault stores it: sealed under the export key, which the vault never has.

sealed = nonce (12) || AES-256-GCM(key, nonce, backup key (32), associated data) with tag (16)
key    = HKDF-Expand(SHA-256, export key, "strongroom/v1 backup key", 32)
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom.errors import VaultProtocolError
from strongroom_protocol import labels
from strongroom_protocol.labels import SEAL_NONCE_SIZE
from strongroom_protocol.opaque.kdf import expand


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed backup key belongs to.

    Attributes:
        vault_id: of the vault that stores it.
        account: whose it is.
        key_id: 16 bytes, of the registration that protects it.
    """

    vault_id: str
    account: str
    key_id: bytes

    def associated_data(self) -> bytes:
        """Return the label, vault id and account with 2 bytes of length each, and the key id."""
        prefixed = (_length_prefixed(value.encode()) for value in (self.vault_id, self.account))
        return labels.SEALED_BACKUP_KEY + b"".join(prefixed) + self.key_id


def seal(export_key: bytes, backup_key: bytes, binding: Binding) -> bytes:
    """Return the sealed backup key, 60 bytes."""
    nonce = os.urandom(SEAL_NONCE_SIZE)
    return nonce + _cipher(export_key).encrypt(nonce, backup_key, binding.associated_data())


def unseal(export_key: bytes, sealed: bytes, binding: Binding) -> bytes:
    """Return the backup key, 32 bytes.

    Raises:
        VaultProtocolError: the vault gave back something other than what was registered.
    """
    nonce, ciphertext = sealed[:SEAL_NONCE_SIZE], sealed[SEAL_NONCE_SIZE:]
    try:
        return _cipher(export_key).decrypt(nonce, ciphertext, binding.associated_data())
    except InvalidTag as error:
        raise VaultProtocolError("The vault gave back another sealed key.") from error


def _cipher(export_key: bytes) -> AESGCM:
    return AESGCM(expand(export_key, labels.BACKUP_KEY, labels.BACKUP_KEY_SIZE))


def _length_prefixed(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value
