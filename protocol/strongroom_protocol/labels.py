"""Every label, size, time and domain of `strongroom/v1`, of client and vault, with its clause.

A clause is one of docs/protocol.md, where appendix B has all sizes and appendix C all labels. A
label keeps a hash, key or seal of one kind from being taken for one of another kind: whoever
changes one makes another protocol, or a vault that cannot read its own store. Therefore
tests/vectors/statements.json has them all. OPAQUE's own are in `opaque/labels.py`; the suite is in
`convert.py`, for it is a number of vault.proto, and this module imports nothing.
"""

from __future__ import annotations

from typing import Final

SERVER_IDENTITY_PREFIX: Final = b"strongroom/v1/"
"""OPAQUE's server identity is this and the vault id (3.2)."""
BACKUP_KEY: Final = b"strongroom/v1 backup key"
"""Derives, from the export key, the key that seals a backup key (3.5)."""
SEALED_BACKUP_KEY: Final = b"strongroom/v1 sealed backup key"
"""Begins the associated data of that seal (3.5)."""
INVITE: Final = b"strongroom/v1 invite"
"""Begins what the checksum of an invite covers (4.5)."""

ATTEMPT_BLIND: Final = b"strongroom/v1 attempt blind"
ATTEMPT_NONCE: Final = b"strongroom/v1 attempt nonce"
ATTEMPT_KEYSHARE: Final = b"strongroom/v1 attempt keyshare"
"""These three make a KE1 again from its attempt seed (6.8)."""

RECORD_SEALING: Final = "strongroom/v1 record sealing"
ACCOUNT_PSEUDONYM: Final = "strongroom/v1 account pseudonym"
REGISTRATION_STATE: Final = "strongroom/v1 registration state"
RECOVERY_STATE: Final = "strongroom/v1 recovery state"
HEAD: Final = "strongroom/v1 head"
"""Names the key of the heads of the ledger, and begins each of their statements."""
DERIVED_KEYS: Final = (
    RECORD_SEALING,
    ACCOUNT_PSEUDONYM,
    REGISTRATION_STATE,
    RECOVERY_STATE,
    HEAD,
)
"""The vault's own keys, in the order in which the token is asked for them: it answers
HMAC(strongroom.root, label). None of them helps to test a guess."""

AUDIT: Final = b"strongroom/v1 audit"
"""Begins what each link of the audit log's chain covers."""
KNOWN_ANSWER: Final = "strongroom/v1 known answer"
"""What a token worker tries its keys with before it serves. Nothing of it is kept."""

ERROR_DOMAIN: Final = "strongroom"
"""`domain` of google.rpc.ErrorInfo (8.1)."""
STATUS_DETAILS: Final = "grpc-status-details-bin"
"""The trailing metadata that carry google.rpc.Status (8.1)."""
REQUEST_ID: Final = "request-id"
"""The trailing metadata that name a call to its caller; the vault's logs have it too (8.1)."""

VAULT_ID_MAX_SIZE: Final = 64
VAULT_ID: Final = rf"[a-z0-9.-]{{1,{VAULT_ID_MAX_SIZE}}}"
"""A regular expression: what a vault id is (1.1)."""
ACCOUNT_MAX_SIZE: Final = 255
"""An account is 1 to this many bytes of UTF-8 (1.2)."""
PASSWORD_MAX_SIZE: Final = 1024
"""A prepared password is 1 to this many bytes of UTF-8 (3.3)."""
ACCESS_TOKEN_MAX_SIZE: Final = 4096
"""Characters (2.5)."""
MESSAGE_MAX_SIZE: Final = 16 * 1024
"""Of a message in either direction, in bytes (2.3)."""
STATE_MAX_SIZE: Final = 1024
"""A sealed state is 1 to this many bytes (appendix A)."""

KEY_ID_SIZE: Final = 16
BACKUP_KEY_SIZE: Final = 32
SEAL_NONCE_SIZE: Final = 12
SEALED_BACKUP_KEY_SIZE: Final = SEAL_NONCE_SIZE + BACKUP_KEY_SIZE + 16
"""Nonce, ciphertext, tag (3.5)."""
ATTEMPT_SEED_SIZE: Final = 32
"""Random bytes from which one attempt is made (6.8)."""

RECORD_ID_SIZE: Final = 32
ROW_MULTIPLE: Final = 512
"""A sealed record is padded to a multiple of this many bytes."""

REGISTRATION_STATE_LIFETIME_MS: Final = 10 * 60 * 1000
RECOVERY_STATE_LIFETIME_MS: Final = 2 * 60 * 1000

ATTEMPT_LIMIT_MAX: Final = 1000
"""The highest attempt limit that settings may allow (appendix A)."""
