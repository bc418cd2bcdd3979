"""The server of RFC 9807: one function for each message that it makes or checks."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from strongroom_protocol.opaque import ake
from strongroom_protocol.opaque.credential_response import mask
from strongroom_protocol.opaque.errors import ClientAuthenticationError
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.labels import NN
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    AuthResponse,
    CredentialResponse,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)

if TYPE_CHECKING:
    from strongroom_protocol.opaque.envelope import Identities
    from strongroom_protocol.opaque.group import Element
    from strongroom_protocol.opaque.keys import AkePrivateKey, OprfKey


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ExpectedKE3:
    """What a server remembers between its two login messages. Secret.

    Attributes:
        client_mac: 32 bytes, what KE3 must be.
        session_key: 32 bytes, shared with a client that proves itself.
    """

    client_mac: bytes
    session_key: bytes


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Randomness:
    """The randomness of one KE2: two nonces of 32 bytes and the ephemeral key. Secret."""

    masking_nonce: bytes = field(default_factory=partial(os.urandom, NN))
    server_nonce: bytes = field(default_factory=partial(os.urandom, NN))
    keyshare: SoftwareAkeKey = field(default_factory=SoftwareAkeKey.generate)


def create_registration_response(
    request: RegistrationRequest, server_public_key: Element, oprf_key: OprfKey
) -> RegistrationResponse:
    """CreateRegistrationResponse, section 5.2.2, with a key of its own for each registration."""
    return RegistrationResponse(oprf_key.evaluate(request.blinded_message), server_public_key)


def generate_ke2(
    ke1: KE1,
    record: RegistrationRecord,
    server_key: AkePrivateKey,
    oprf_key: OprfKey,
    identities: Identities,
    *,
    context: bytes = b"",
    fresh: Randomness | None = None,
) -> tuple[KE2, ExpectedKE3]:
    """GenerateKE2, section 6.2.2. `fresh` is given by tests alone."""
    fresh = fresh or Randomness()
    nonce = fresh.masking_nonce
    credential_response = CredentialResponse(
        oprf_key.evaluate(ke1.credential_request.blinded_message),
        nonce,
        mask(record.masking_key, nonce, server_key.public_key, record.envelope),
    )
    keyshare = fresh.keyshare
    transcript = ake.preamble(
        context,
        identities.of_client(record.client_public_key),
        ke1,
        identities.of_server(server_key.public_key),
        credential_response,
        fresh.server_nonce,
        keyshare.public_key,
    )
    client_keyshare = ke1.auth_request.client_public_keyshare
    shared = (
        keyshare.diffie_hellman(client_keyshare),
        server_key.diffie_hellman(client_keyshare),
        keyshare.diffie_hellman(record.client_public_key),
    )
    secrets = ake.handshake(shared, transcript)
    auth_response = AuthResponse(fresh.server_nonce, keyshare.public_key, secrets.server_mac)
    return KE2(credential_response, auth_response), ExpectedKE3(
        secrets.client_mac, secrets.session_key
    )


def finish(expected_client_mac: bytes, ke3: KE3) -> None:
    """ServerFinish, section 6.2.4.

    Raises:
        ClientAuthenticationError: the client did not prove the password.
    """
    if not hmac.compare_digest(expected_client_mac, ke3.client_mac):
        raise ClientAuthenticationError("the client's MAC is wrong")
