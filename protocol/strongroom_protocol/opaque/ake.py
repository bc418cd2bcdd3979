"""3DH's key schedule (RFC 9807 section 6.4): the same for both roles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_protocol.opaque.kdf import expand, extract, mac
from strongroom_protocol.opaque.labels import (
    CLIENT_MAC,
    EXPAND_LABEL_PREFIX,
    HANDSHAKE_SECRET,
    NX,
    SERVER_MAC,
    SESSION_KEY,
    TRANSCRIPT,
)
from strongroom_protocol.opaque.oprf import length_prefixed

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element
    from strongroom_protocol.opaque.messages import KE1, CredentialResponse


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeySchedule:
    """The keys of one handshake (section 6.4.2.2), 32 bytes each. Secret: its repr shows nothing.

    Attributes:
        handshake_secret: what the MAC keys are derived from.
        server_mac_key: Km2.
        client_mac_key: Km3.
        session_key: for the application.
    """

    handshake_secret: bytes
    server_mac_key: bytes
    client_mac_key: bytes
    session_key: bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Handshake:
    """The secrets of one handshake, 32 bytes each. Their repr shows nothing."""

    session_key: bytes
    server_mac: bytes
    client_mac: bytes


def preamble(
    context: bytes,
    client_identity: bytes,
    ke1: KE1,
    server_identity: bytes,
    credential_response: CredentialResponse,
    server_nonce: bytes,
    server_public_keyshare: Element,
) -> bytes:
    """Return the transcript that both MACs cover (section 6.4.2.1)."""
    return b"".join(
        (
            TRANSCRIPT,
            length_prefixed(context),
            length_prefixed(client_identity),
            ke1.encode(),
            length_prefixed(server_identity),
            credential_response.encode(),
            server_nonce,
            server_public_keyshare.encode(),
        )
    )


def key_schedule(shared: tuple[Element, Element, Element], transcript: bytes) -> KeySchedule:
    """Return the keys (DeriveKeys, section 6.4.2.2) for dh1, dh2, dh3."""
    hashed = hashlib.sha256(transcript).digest()
    prk = extract(b"".join(point.encode() for point in shared))
    handshake_secret = derive_secret(prk, HANDSHAKE_SECRET, hashed)
    return KeySchedule(
        handshake_secret=handshake_secret,
        server_mac_key=derive_secret(handshake_secret, SERVER_MAC, b""),
        client_mac_key=derive_secret(handshake_secret, CLIENT_MAC, b""),
        session_key=derive_secret(prk, SESSION_KEY, hashed),
    )


def handshake(shared: tuple[Element, Element, Element], transcript: bytes) -> Handshake:
    """Return the MACs (sections 6.4.3 and 6.4.4) and the session key for dh1, dh2, dh3."""
    keys = key_schedule(shared, transcript)
    server_mac = mac(keys.server_mac_key, hashlib.sha256(transcript).digest())
    client_hashed = hashlib.sha256(transcript + server_mac).digest()
    return Handshake(keys.session_key, server_mac, mac(keys.client_mac_key, client_hashed))


def derive_secret(secret: bytes, label: bytes, transcript_hash: bytes) -> bytes:
    """Return Derive-Secret(secret, label, transcript hash), 32 bytes."""
    full_label = EXPAND_LABEL_PREFIX + label
    info = (
        NX.to_bytes(2, "big")
        + bytes([len(full_label)])
        + full_label
        + bytes([len(transcript_hash)])
        + transcript_hash
    )
    return expand(secret, info, NX)
