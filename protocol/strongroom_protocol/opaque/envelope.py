"""The envelope (RFC 9807 section 4.1): the client's key from the password, bound to identities."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_protocol.opaque.errors import EnvelopeRecoveryError, InvalidInput
from strongroom_protocol.opaque.kdf import expand, mac
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.labels import (
    AUTH_KEY,
    EXPORT_KEY,
    LENGTH_PREFIXED_MAX,
    MASKING_KEY,
    NSEED,
    PRIVATE_KEY,
)
from strongroom_protocol.opaque.messages import Envelope
from strongroom_protocol.opaque.oprf import length_prefixed

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element


@dataclass(frozen=True, slots=True)
class Identities:
    """Who the two parties are to each other; None stands for the public key (section 4).

    Raises:
        InvalidInput: an identity is empty or has more than 2^16 - 1 bytes.
    """

    client: bytes | None = None
    server: bytes | None = None

    def __post_init__(self) -> None:
        for identity in (self.client, self.server):
            if identity is not None and not 0 < len(identity) <= LENGTH_PREFIXED_MAX:
                raise InvalidInput(f"an identity has 1 to {LENGTH_PREFIXED_MAX} bytes")

    def of_client(self, public_key: Element) -> bytes:
        """Return the client identity."""
        return public_key.encode() if self.client is None else self.client

    def of_server(self, public_key: Element) -> bytes:
        """Return the server identity."""
        return public_key.encode() if self.server is None else self.server


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Credentials:
    """What the password opens. Secret: its repr shows nothing.

    Attributes:
        client_key: the client's static key.
        masking_key: 32 bytes.
        export_key: 32 bytes, for the application.
    """

    client_key: SoftwareAkeKey
    masking_key: bytes
    export_key: bytes


def masking_key(randomized_password: bytes) -> bytes:
    """Return the masking key, 32 bytes (section 4.1.2)."""
    return expand(randomized_password, MASKING_KEY)


def store(
    randomized_password: bytes, server_public_key: Element, identities: Identities, nonce: bytes
) -> tuple[Envelope, Credentials]:
    """Make an envelope (section 4.1.2). `nonce` is 32 random bytes."""
    credentials = _credentials(randomized_password, nonce)
    tag = _auth_tag(randomized_password, nonce, server_public_key, identities, credentials)
    return Envelope(nonce, tag), credentials


def recover(
    randomized_password: bytes,
    server_public_key: Element,
    envelope: Envelope,
    identities: Identities,
) -> Credentials:
    """Open an envelope (section 4.1.3).

    Raises:
        EnvelopeRecoveryError: wrong password, or the envelope is for other identities.
    """
    credentials = _credentials(randomized_password, envelope.nonce)
    tag = _auth_tag(randomized_password, envelope.nonce, server_public_key, identities, credentials)
    if not hmac.compare_digest(tag, envelope.auth_tag):
        raise EnvelopeRecoveryError("the envelope does not open")
    return credentials


def _credentials(randomized_password: bytes, nonce: bytes) -> Credentials:
    seed = expand(randomized_password, nonce + PRIVATE_KEY, NSEED)
    return Credentials(
        client_key=SoftwareAkeKey.derive(seed),
        masking_key=masking_key(randomized_password),
        export_key=expand(randomized_password, nonce + EXPORT_KEY),
    )


def _auth_tag(
    randomized_password: bytes,
    nonce: bytes,
    server_public_key: Element,
    identities: Identities,
    credentials: Credentials,
) -> bytes:
    """MAC over the nonce and the CleartextCredentials (section 4.1.2)."""
    auth_key = expand(randomized_password, nonce + AUTH_KEY)
    cleartext = (
        server_public_key.encode()
        + length_prefixed(identities.of_server(server_public_key))
        + length_prefixed(identities.of_client(credentials.client_key.public_key))
    )
    return mac(auth_key, nonce + cleartext)
