"""Every label, suite id and size of OPRF(P-256, SHA-256) and OPAQUE-3DH, with its RFC section.

Sizes are in bytes and have the names of RFC 9807 (NPK is its Npk).
"""

from __future__ import annotations

from typing import Final

# RFC 9497 section 4.3: OPRF(P-256, SHA-256)
OPRF_SUITE: Final = b"P256-SHA256"
NOE: Final = 33
"""A group element: SEC 1, compressed."""
NOK: Final = 32
"""An OPRF private key: a scalar, big-endian."""
HASH_TO_SCALAR_SIZE: Final = 48
"""L of hash_to_field for a scalar."""

# RFC 9497 section 3.1: the context string and its modes
OPRF_VERSION: Final = b"OPRFV1-"
MODE_OPRF: Final = 0x00
MODE_VOPRF: Final = 0x01
MODE_POPRF: Final = 0x02

# RFC 9497 sections 4.3, 3.2.1 and 3.3.1
HASH_TO_GROUP: Final = b"HashToGroup-"
HASH_TO_SCALAR: Final = b"HashToScalar-"
DERIVE_KEY_PAIR: Final = b"DeriveKeyPair"
FINALIZE: Final = b"Finalize"
PRIVATE_INPUT_MAX: Final = 2**16 - 1
"""RFC 9497 section 1.2: a private input is at most this long."""

# RFC 9807 section 2 (Nn, Nseed) and the configuration P256-SHA256, HKDF-SHA-256, HMAC-SHA-256
NN: Final = 32
NSEED: Final = 32
NH: Final = 32
NM: Final = 32
NX: Final = 32
NPK: Final = 33
NSK: Final = 32
ENVELOPE_SIZE: Final = NN + NM
"""RFC 9807 section 4.1.1."""
MASKED_RESPONSE_SIZE: Final = NPK + ENVELOPE_SIZE
"""RFC 9807 section 6.3.1."""
IDENTITY_MAX: Final = 2**16 - 1
"""RFC 9807 section 4: an identity has 1 to this many bytes."""
CONTEXT_MAX: Final = 2**16 - 1
"""RFC 9807 section 6.4.2.1."""

# RFC 9807 section 4.1.2: keys under the randomized password
MASKING_KEY: Final = b"MaskingKey"
AUTH_KEY: Final = b"AuthKey"
EXPORT_KEY: Final = b"ExportKey"
PRIVATE_KEY: Final = b"PrivateKey"

# RFC 9807 sections 5.2.2 and 6.4.1.2: DeriveKeyPair's info
OPRF_KEY: Final = b"OprfKey"
DERIVE_OPRF_KEY_PAIR: Final = b"OPAQUE-DeriveKeyPair"
DERIVE_AKE_KEY_PAIR: Final = b"OPAQUE-DeriveDiffieHellmanKeyPair"

# RFC 9807 section 6.3.2.2
CREDENTIAL_RESPONSE_PAD: Final = b"CredentialResponsePad"

# RFC 9807 section 6.4.2: transcript and key schedule
PREAMBLE: Final = b"OPAQUEv1-"
EXPAND_LABEL_PREFIX: Final = b"OPAQUE-"
HANDSHAKE_SECRET: Final = b"HandshakeSecret"
SESSION_KEY: Final = b"SessionKey"
SERVER_MAC: Final = b"ServerMAC"
CLIENT_MAC: Final = b"ClientMAC"

# RFC 9807 section 7: Argon2id's parameters that do not vary
ARGON2ID_SALT: Final = bytes(16)
ARGON2ID_SIZE: Final = NH
