"""The numbers and texts of the two RFCs, as they are printed there."""

from __future__ import annotations

from strongroom_protocol.opaque import labels


def test_the_sizes_of_the_suite() -> None:
    names = ("NOE", "NOK", "NPK", "NSK", "NN", "NSEED", "NH", "NM", "NX")
    assert [getattr(labels, name) for name in names] == [33, 32, 33, 32, 32, 32, 32, 32, 32]
    assert (labels.ENVELOPE_SIZE, labels.MASKED_RESPONSE_SIZE) == (64, 97)
    assert labels.LENGTH_PREFIXED_MAX == 65535


def test_every_label_of_the_rfcs() -> None:
    written = {name: value for name, value in vars(labels).items() if isinstance(value, bytes)}
    assert written == {
        "OPRF_VERSION": b"OPRFV1-",
        "OPRF_SUITE": b"P256-SHA256",
        "HASH_TO_GROUP": b"HashToGroup-",
        "DERIVE_KEY_PAIR": b"DeriveKeyPair",
        "FINALIZE": b"Finalize",
        "DERIVE_DIFFIE_HELLMAN_KEY_PAIR": b"OPAQUE-DeriveDiffieHellmanKeyPair",
        "MASKING_KEY": b"MaskingKey",
        "AUTH_KEY": b"AuthKey",
        "EXPORT_KEY": b"ExportKey",
        "PRIVATE_KEY": b"PrivateKey",
        "CREDENTIAL_RESPONSE_PAD": b"CredentialResponsePad",
        "TRANSCRIPT": b"OPAQUEv1-",
        "EXPAND_LABEL_PREFIX": b"OPAQUE-",
        "HANDSHAKE_SECRET": b"HandshakeSecret",
        "SESSION_KEY": b"SessionKey",
        "SERVER_MAC": b"ServerMAC",
        "CLIENT_MAC": b"ClientMAC",
        "ARGON2_SALT": bytes(16),
    }
