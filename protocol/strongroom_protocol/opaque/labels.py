"""Every label, suite id and size of the two RFCs, each with its section. One suite, no other.

Sizes are in bytes and have the names of RFC 9807 (NPK is its Npk).
"""

from __future__ import annotations

from typing import Final

# Sizes for OPAQUE-3DH with P256-SHA256, HKDF-SHA-256, HMAC-SHA-256, SHA-256.
NOE: Final = 33  # group element, SEC 1 compressed (RFC 9497 section 4.3)
NOK: Final = 32  # scalar, big-endian (RFC 9497 section 4.3)
NPK: Final = 33  # public key (RFC 9807 section 6.4.1)
NSK: Final = 32  # private key
NN: Final = 32  # nonce (RFC 9807 section 2)
NSEED: Final = 32  # seed of a key pair
NH: Final = 32  # hash
NM: Final = 32  # MAC
NX: Final = 32  # extracted key
ENVELOPE_SIZE: Final = NN + NM  # RFC 9807 section 4.1.1
MASKED_RESPONSE_SIZE: Final = NPK + ENVELOPE_SIZE  # RFC 9807 section 6.3.1
LENGTH_PREFIXED_MAX: Final = 2**16 - 1  # inputs, identities and context (RFC 9497 section 1.2)

# RFC 9497 sections 3.1 and 4.3
OPRF_VERSION: Final = b"OPRFV1-"
OPRF_SUITE: Final = b"P256-SHA256"
MODE_OPRF: Final = 0
HASH_TO_GROUP: Final = b"HashToGroup-"
DERIVE_KEY_PAIR: Final = b"DeriveKeyPair"  # section 3.2.1
FINALIZE: Final = b"Finalize"  # section 3.3.1

# RFC 9807
DERIVE_DIFFIE_HELLMAN_KEY_PAIR: Final = b"OPAQUE-DeriveDiffieHellmanKeyPair"  # section 6.4.1.2
MASKING_KEY: Final = b"MaskingKey"  # section 4.1.2
AUTH_KEY: Final = b"AuthKey"
EXPORT_KEY: Final = b"ExportKey"
PRIVATE_KEY: Final = b"PrivateKey"
CREDENTIAL_RESPONSE_PAD: Final = b"CredentialResponsePad"  # section 6.3.2.2
TRANSCRIPT: Final = b"OPAQUEv1-"  # section 6.4.2.1
EXPAND_LABEL_PREFIX: Final = b"OPAQUE-"
HANDSHAKE_SECRET: Final = b"HandshakeSecret"  # section 6.4.2.2
SESSION_KEY: Final = b"SessionKey"
SERVER_MAC: Final = b"ServerMAC"
CLIENT_MAC: Final = b"ClientMAC"

ARGON2_SALT: Final = bytes(16)  # RFC 9807 section 7: a salt of zeros; the OPRF output is salted
