"""Every label and size of the vault's own bookkeeping; those of OPAQUE are in `opaque/`.

Each label names what a derived key is for; `Hello.labels` hands them to the token, which answers
HMAC(strongroom.root, label). None of these keys helps to test a guess.
"""

from __future__ import annotations

from typing import Final

RECORD_SEALING: Final = "strongroom/v1 record sealing"
ACCOUNT_PSEUDONYM: Final = "strongroom/v1 account pseudonym"
REGISTRATION_STATE: Final = "strongroom/v1 registration state"
RECOVERY_STATE: Final = "strongroom/v1 recovery state"
HEAD: Final = "strongroom/v1 head"

DERIVED_KEYS: Final = (
    RECORD_SEALING,
    ACCOUNT_PSEUDONYM,
    REGISTRATION_STATE,
    RECOVERY_STATE,
    HEAD,
)
"""In the order in which the token is asked for them."""

SERVER_IDENTITY_PREFIX: Final = b"strongroom/v1/"
"""OPAQUE's server identity is this and the vault id."""

ACCOUNT_MAX_SIZE: Final = 255
"""An account is 1 to this many bytes of UTF-8."""

RECORD_ID_SIZE: Final = 32
KEY_ID_SIZE: Final = 16
SEALED_BACKUP_KEY_SIZE: Final = 60
"""Nonce 12, ciphertext 32, tag 16."""

STATE_MAX_SIZE: Final = 1024
"""A sealed state is at most this long."""

ROW_MULTIPLE: Final = 512
"""A sealed record is padded to a multiple of this many bytes."""

REGISTRATION_STATE_LIFETIME_MS: Final = 10 * 60 * 1000
RECOVERY_STATE_LIFETIME_MS: Final = 2 * 60 * 1000

ATTEMPT_LIMIT_MAX: Final = 1000
"""The highest attempt limit that settings may allow."""
