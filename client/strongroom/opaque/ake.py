"""3DH's key schedule (RFC 9807 section 6.4): the same for both roles."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.opaque.kdf import expand, extract, mac
from strongroom.opaque.labels import (
    CLIENT_MAC,
    EXPAND_LABEL_PREFIX,
    HANDSHAKE_SECRET,
    NX,
    SERVER_MAC,
    SESSION_KEY,
    TRANSCRIPT,
)
from strongroom.opaque.oprf import length_prefixed

if TYPE_CHECKING:
    from strongroom.opaque.group import Element
    from strongroom.opaque.messages import KE1, CredentialResponse


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


def handshake(shared: tuple[Element, Element, Element], transcript: bytes) -> Handshake:
    """Return the MACs and the session key (section 6.4.2.2) for dh1, dh2, dh3."""
    hashed = hashlib.sha256(transcript).digest()
    prk = extract(b"".join(point.encode() for point in shared))
    handshake_secret = derive_secret(prk, HANDSHAKE_SECRET, hashed)
    server_mac = mac(derive_secret(handshake_secret, SERVER_MAC, b""), hashed)
    client_hashed = hashlib.sha256(transcript + server_mac).digest()
    return Handshake(
        session_key=derive_secret(prk, SESSION_KEY, hashed),
        server_mac=server_mac,
        client_mac=mac(derive_secret(handshake_secret, CLIENT_MAC, b""), client_hashed),
    )


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
