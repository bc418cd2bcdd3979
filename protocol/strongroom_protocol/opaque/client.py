"""The client of RFC 9807: one function for each message that it makes."""

from __future__ import annotations

import hmac
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom_protocol.opaque import ake, envelope, oprf
from strongroom_protocol.opaque.credential_response import unmask
from strongroom_protocol.opaque.errors import ServerAuthenticationError
from strongroom_protocol.opaque.group import Element, Scalar
from strongroom_protocol.opaque.kdf import extract
from strongroom_protocol.opaque.keys import SoftwareAkeKey
from strongroom_protocol.opaque.labels import NN, NSEED
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    AuthRequest,
    CredentialRequest,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)

if TYPE_CHECKING:
    from strongroom_protocol.opaque.envelope import Identities
    from strongroom_protocol.opaque.ksf import Stretch


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RegistrationSession:
    """What a client remembers between its two registration messages. Secret."""

    password: bytes
    blinding: Scalar


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoginSession:
    """What a client remembers between its two login messages. Secret."""

    password: bytes
    blinding: Scalar
    keyshare: SoftwareAkeKey
    ke1: KE1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoginResult:
    """What a login gives. Secret.

    Attributes:
        session_key: 32 bytes, shared with the server.
        export_key: 32 bytes, known to the client alone, the same at every login.
        server_public_key: proven to be the one of the registration.
    """

    session_key: bytes
    export_key: bytes
    server_public_key: Element


def create_registration_request(
    password: bytes, *, blind: Scalar | None = None
) -> tuple[RegistrationRequest, RegistrationSession]:
    """CreateRegistrationRequest, section 5.2.1.

    Raises:
        InvalidInput: the password has more than 2^16 - 1 bytes.
    """
    blinding = Scalar.random() if blind is None else blind
    request = RegistrationRequest(oprf.blind(password, blinding))
    return request, RegistrationSession(password, blinding)


def finalize_registration_request(
    session: RegistrationSession,
    response: RegistrationResponse,
    identities: Identities,
    ksf: Stretch,
    *,
    envelope_nonce: bytes | None = None,
) -> tuple[RegistrationRecord, bytes]:
    """FinalizeRegistrationRequest, section 5.2.3: the record and the export key (32 bytes)."""
    randomized = randomized_password(
        session.password, session.blinding, response.evaluated_message, ksf
    )
    nonce = os.urandom(NN) if envelope_nonce is None else envelope_nonce
    sealed, credentials = envelope.store(randomized, response.server_public_key, identities, nonce)
    record = RegistrationRecord(credentials.client_key.public_key, credentials.masking_key, sealed)
    return record, credentials.export_key


def generate_ke1(
    password: bytes,
    *,
    blind: Scalar | None = None,
    nonce: bytes | None = None,
    keyshare_seed: bytes | None = None,
) -> tuple[KE1, LoginSession]:
    """GenerateKE1, section 6.2.1. What is not given is random.

    Raises:
        InvalidInput: the password has more than 2^16 - 1 bytes.
    """
    blinding = Scalar.random() if blind is None else blind
    keyshare = SoftwareAkeKey.derive(os.urandom(NSEED) if keyshare_seed is None else keyshare_seed)
    auth_request = AuthRequest(os.urandom(NN) if nonce is None else nonce, keyshare.public_key)
    ke1 = KE1(CredentialRequest(oprf.blind(password, blinding)), auth_request)
    return ke1, LoginSession(password, blinding, keyshare, ke1)


def generate_ke3(
    session: LoginSession,
    ke2: KE2,
    identities: Identities,
    ksf: Stretch,
    *,
    context: bytes = b"",
) -> tuple[KE3, LoginResult]:
    """GenerateKE3, section 6.2.3.

    Raises:
        EnvelopeRecoveryError: wrong password, or not the server that registered it.
        ServerAuthenticationError: the server does not hold the key of the envelope.
    """
    response = ke2.credential_response
    randomized = randomized_password(
        session.password, session.blinding, response.evaluated_message, ksf
    )
    server_public_key, sealed = unmask(
        envelope.masking_key(randomized), response.masking_nonce, response.masked_response
    )
    credentials = envelope.recover(randomized, server_public_key, sealed, identities)
    secrets = _handshake(session, ke2, identities, credentials, server_public_key, context)
    if not hmac.compare_digest(secrets.server_mac, ke2.auth_response.server_mac):
        raise ServerAuthenticationError("the server's MAC is wrong")
    result = LoginResult(secrets.session_key, credentials.export_key, server_public_key)
    return KE3(secrets.client_mac), result


def randomized_password(
    password: bytes, blinding: Scalar, evaluated: Element, ksf: Stretch
) -> bytes:
    """Return the randomized password, 32 bytes (sections 5.2.3 and 6.3.2.3)."""
    output = oprf.finalize(password, blinding, evaluated)
    return extract(output + ksf(output))


def _handshake(
    session: LoginSession,
    ke2: KE2,
    identities: Identities,
    credentials: envelope.Credentials,
    server_public_key: Element,
    context: bytes,
) -> ake.Handshake:
    server_keyshare = ke2.auth_response.server_public_keyshare
    transcript = ake.preamble(
        context,
        identities.of_client(credentials.client_key.public_key),
        session.ke1,
        identities.of_server(server_public_key),
        ke2.credential_response,
        ke2.auth_response.server_nonce,
        server_keyshare,
    )
    shared = (
        session.keyshare.diffie_hellman(server_keyshare),
        session.keyshare.diffie_hellman(server_public_key),
        credentials.client_key.diffie_hellman(server_keyshare),
    )
    return ake.handshake(shared, transcript)
