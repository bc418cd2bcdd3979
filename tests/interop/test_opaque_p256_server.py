"""OPAQUE alone, between Meta's opaque-ke and ours, with one set of server keys.

Both servers hold the same keys, so a record that one client registered must serve the other client
at either server. Every password is stretched: opaque-ke offers nothing else.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest
from opaque_p256_peer import Peer, PeerError

from strongroom_protocol.opaque import client, kdf, oprf, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import (
    ClientAuthenticationError,
    DecodeError,
    EnvelopeRecoveryError,
)
from strongroom_protocol.opaque.group import GENERATOR, PRIME, Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

PASSWORD: Final = "correct horse battery staple"
ACCOUNT: Final = "alice"
IDENTITIES: Final = Identities(ACCOUNT.encode(), b"strongroom/v1/vault.test")
OTHERS: Final = Identities(b"bob", b"strongroom/v1/vault.test")
STRETCHING: Final = "memory-constrained"
"""Their name for RFC9106_SECOND."""


def encoded(message: bytes) -> str:
    return urlsafe_b64encode(message).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def identifiers(identities: Identities) -> dict[str, str]:
    assert identities.client is not None
    assert identities.server is not None
    return {"client": identities.client.decode(), "server": identities.server.decode()}


class Ours:
    """`strongroom_protocol.opaque`; messages in and out are bytes."""

    def __init__(self, setup: bytes) -> None:
        """`setup` is opaque-ke's: OPRF seed 32, private key 32, a public key for fakes 33."""
        seed = kdf.expand(setup[:32], ACCOUNT.encode() + b"OprfKey", 32)
        self.oprf_key = SoftwareOprfKey(oprf.derive_key_pair(seed, b"OPAQUE-DeriveKeyPair"))
        self.server_key = SoftwareAkeKey(Scalar.decode(setup[32:64]))

    def registration_response(self, request: bytes) -> bytes:
        decoded_request = RegistrationRequest.decode(request)
        return server.create_registration_response(
            decoded_request, self.server_key.public_key, self.oprf_key
        ).encode()

    def register(self, respond: Respond) -> tuple[bytes, bytes]:
        """The client's record and export key."""
        request, session = client.create_registration_request(PASSWORD.encode())
        response = RegistrationResponse.decode(respond(request.encode()))
        record, export_key = client.finalize_registration_request(
            session, response, IDENTITIES, RFC9106_SECOND
        )
        return record.encode(), export_key

    def login(
        self, at: Side, record: bytes, password: str = PASSWORD, claim: Identities = IDENTITIES
    ) -> bytes:
        """The client's export key; both ends have the same session key."""
        ke1, session = client.generate_ke1(password.encode())
        ke2, finish = at.start_login(record, ke1.encode())
        ke3, result = client.generate_ke3(session, KE2.decode(ke2), claim, RFC9106_SECOND)
        assert finish(ke3.encode()) == result.session_key
        return result.export_key

    def start_login(self, record: bytes, ke1: bytes) -> tuple[bytes, Finish]:
        """The server's KE2, and how it finishes: with KE3, to the session key."""
        ke2, expected = server.generate_ke2(
            KE1.decode(ke1),
            RegistrationRecord.decode(record),
            self.server_key,
            self.oprf_key,
            IDENTITIES,
        )

        def finish(ke3: bytes) -> bytes:
            server.finish(expected.client_mac, KE3.decode(ke3))
            return expected.session_key

        return ke2.encode(), finish


class Theirs:
    """opaque-ke; the same methods."""

    def __init__(self, peer: Peer, setup: str) -> None:
        self._call = peer.call
        self._setup = setup

    def public_key(self) -> bytes:
        return decoded(self._call("server.getPublicKey", self._setup))

    def registration_response(self, request: bytes) -> bytes:
        arguments = {
            "serverSetup": self._setup,
            "userIdentifier": ACCOUNT,
            "registrationRequest": encoded(request),
        }
        answer = self._call("server.createRegistrationResponse", arguments)
        return decoded(answer["registrationResponse"])

    def register(self, respond: Respond) -> tuple[bytes, bytes]:
        started = self._call("client.startRegistration", {"password": PASSWORD})
        response = respond(decoded(started["registrationRequest"]))
        arguments = {
            "password": PASSWORD,
            "clientRegistrationState": started["clientRegistrationState"],
            "registrationResponse": encoded(response),
            "identifiers": identifiers(IDENTITIES),
            "keyStretching": STRETCHING,
        }
        finished = self._call("client.finishRegistration", arguments)
        return decoded(finished["registrationRecord"]), decoded(finished["exportKey"])

    def login(
        self, at: Side, record: bytes, password: str = PASSWORD, claim: Identities = IDENTITIES
    ) -> bytes:
        started = self._call("client.startLogin", {"password": password})
        ke2, finish = at.start_login(record, decoded(started["startLoginRequest"]))
        arguments = {
            "password": password,
            "clientLoginState": started["clientLoginState"],
            "loginResponse": encoded(ke2),
            "identifiers": identifiers(claim),
            "keyStretching": STRETCHING,
        }
        finished = self._call("client.finishLogin", arguments)
        if finished is None:
            raise EnvelopeRecoveryError("opaque-ke does not say more")
        assert finish(decoded(finished["finishLoginRequest"])) == decoded(finished["sessionKey"])
        return decoded(finished["exportKey"])

    def start_login(self, record: bytes | None, ke1: bytes) -> tuple[bytes, Finish]:
        arguments = {
            "serverSetup": self._setup,
            "userIdentifier": ACCOUNT,
            "registrationRecord": None if record is None else encoded(record),
            "startLoginRequest": encoded(ke1),
            "identifiers": identifiers(IDENTITIES),
        }
        started = self._call("server.startLogin", arguments)

        def finish(ke3: bytes) -> bytes:
            arguments = {
                "serverLoginState": started["serverLoginState"],
                "finishLoginRequest": encoded(ke3),
                "identifiers": identifiers(IDENTITIES),
            }
            return decoded(self._call("server.finishLogin", arguments)["sessionKey"])

        return decoded(started["loginResponse"]), finish


if TYPE_CHECKING:
    Side: TypeAlias = Ours | Theirs
    Respond: TypeAlias = Callable[[bytes], bytes]
    Finish: TypeAlias = Callable[[bytes], bytes]

EITHER: Final = ("ours", "theirs")


@pytest.fixture
def sides(peer: Peer) -> dict[str, Side]:
    setup = peer.call("server.createSetup")
    return {"ours": Ours(decoded(setup)), "theirs": Theirs(peer, setup)}


@pytest.fixture
def ours(sides: dict[str, Side]) -> Ours:
    side = sides["ours"]
    assert isinstance(side, Ours)
    return side


@pytest.fixture
def theirs(sides: dict[str, Side]) -> Theirs:
    side = sides["theirs"]
    assert isinstance(side, Theirs)
    return side


def test_both_servers_answer_a_registration_with_the_same_bytes(ours: Ours, theirs: Theirs) -> None:
    assert theirs.public_key() == ours.server_key.public_key.encode()
    request, _ = client.create_registration_request(PASSWORD.encode())
    answer = ours.registration_response(request.encode())
    assert theirs.registration_response(request.encode()) == answer


@pytest.mark.parametrize("registering", EITHER)
@pytest.mark.parametrize("serving", EITHER)
@pytest.mark.parametrize("recovering", EITHER)
def test_any_client_at_any_server(
    sides: dict[str, Side], registering: str, serving: str, recovering: str
) -> None:
    at = sides[serving]
    record, export_key = sides[registering].register(at.registration_response)
    assert sides[recovering].login(at, record) == export_key


@pytest.mark.parametrize(("who", "where"), [("ours", "theirs"), ("theirs", "ours")])
def test_a_wrong_password_or_identity_opens_nothing(
    sides: dict[str, Side], who: str, where: str
) -> None:
    at = sides[where]
    record, _ = sides[who].register(at.registration_response)
    with pytest.raises(EnvelopeRecoveryError):
        sides[who].login(at, record, "wrong")
    with pytest.raises(EnvelopeRecoveryError):
        sides[who].login(at, record, claim=OTHERS)


def test_their_fake_answer_opens_nothing(theirs: Theirs) -> None:
    ke1, session = client.generate_ke1(PASSWORD.encode())
    ke2, _ = theirs.start_login(None, ke1.encode())
    with pytest.raises(EnvelopeRecoveryError):
        client.generate_ke3(session, KE2.decode(ke2), IDENTITIES, RFC9106_SECOND)


@pytest.mark.parametrize("where", EITHER)
def test_a_proof_of_nothing_is_refused(sides: dict[str, Side], where: str) -> None:
    at = sides[where]
    record, _ = sides["ours"].register(at.registration_response)
    ke1, _ = client.generate_ke1(PASSWORD.encode())
    _, finish = at.start_login(record, ke1.encode())
    with pytest.raises((PeerError, ClientAuthenticationError)):
        finish(bytes(32))


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(bytes(33), id="the identity, padded"),
        pytest.param(GENERATOR.encode()[:-1], id="short"),
        pytest.param(b"\x04" + GENERATOR.encode()[1:], id="marked as uncompressed"),
        pytest.param(b"\x02" + PRIME.to_bytes(32, "big"), id="x not below p"),
        pytest.param(b"\x02" + (1).to_bytes(32, "big"), id="not on the curve"),
    ],
)
def test_both_servers_refuse_what_is_no_point(
    ours: Ours, theirs: Theirs, request_bytes: bytes
) -> None:
    # Bytes after the point are not in this table: opaque-ke ignores them, we refuse them.
    with pytest.raises(DecodeError):
        ours.registration_response(request_bytes)
    with pytest.raises(PeerError):
        theirs.registration_response(request_bytes)
