"""Attacks on OPAQUE's messages and records.

Covered:

- every byte of KE2 changed, each point in it replaced by another valid point or by its negative,
  nonces, MAC, masked key and masked envelope replaced or swapped with those of another answer;
- every byte of KE3 changed; KE3 of another login, another account, or the server's own MAC;
- KE1 changed on its way: its element, nonce or keyshare;
- KE2 of another login of the same account, of another account, or with its halves recombined;
- a record of another account or an older one put in place, and each field of a record replaced;
- a registration whose answer was evaluated wrongly, or names a public key of the attacker;
- a false server: own static key, own OPRF key, or everything of the record but the static key;
- wrong identities on either side, swapped, or one taken for the other by moving bytes between them;
- points that are the identity, off the curve, not canonical, in every message;
- an evaluation with another key, the input itself as evaluation, the generator and its negative;
- a client that knows everything but the password; a passive reader of all messages and the record;
- a wrong context.

Not covered:

- an offline guess of whoever has the record, the OPRF key and time: that is what stretching is for;
- an online guess: counting attempts is the vault's part (`attempt_model.py` and the vault's tests);
- time, memory and other side channels: see the first lines of `strongroom_protocol.opaque.group`;
- a client or server process that the attacker controls, and bad random numbers;
- a first registration with a false server: the application pins the server's key.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from opaque_world import IDENTITIES, PASSWORD, World

from strongroom_protocol.opaque import client, server
from strongroom_protocol.opaque.credential_response import mask, unmask
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.errors import (
    ClientAuthenticationError,
    DecodeError,
    EnvelopeRecoveryError,
    KeyMismatch,
    OpaqueError,
    ServerAuthenticationError,
)
from strongroom_protocol.opaque.group import GENERATOR, PRIME, Element, Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import identity
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    AuthRequest,
    CredentialRequest,
    Envelope,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)
from strongroom_protocol.opaque.multiplication import multiply_by_ecdh, scalar_multiply

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_protocol.opaque.wire import Message

ACCOUNT, VAULT = IDENTITIES.client, IDENTITIES.server
OTHER = scalar_multiply(Scalar(0x0DD), GENERATOR)


def negative(point: Element) -> Element:
    return Element(point.x, PRIME - point.y)


def flipped(data: bytes, position: int) -> bytes:
    changed = bytearray(data)
    changed[position] ^= 0x01
    return bytes(changed)


class Login:
    """A login that stopped before the client read KE2."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.ke1, self.session = client.generate_ke1(PASSWORD)
        self.ke2, self.expected = self.world.answer(self.ke1)

    def read(self, ke2: KE2, identities: Identities | None = None) -> client.LoginResult:
        """What the client makes of a KE2."""
        return self.finish(ke2, identities)[1]

    def finish(
        self, ke2: KE2, identities: Identities | None = None
    ) -> tuple[KE3, client.LoginResult]:
        return client.generate_ke3(self.session, ke2, identities or self.world.identities, identity)

    def with_credentials(self, **changes: object) -> KE2:
        """KE2 with fields of its credential response replaced."""
        changed = replace(self.ke2.credential_response, **changes)  # type: ignore[arg-type]  # a table of fields
        return replace(self.ke2, credential_response=changed)

    def with_auth(self, **changes: object) -> KE2:
        """KE2 with fields of its auth response replaced."""
        changed = replace(self.ke2.auth_response, **changes)  # type: ignore[arg-type]  # a table of fields
        return replace(self.ke2, auth_response=changed)


@pytest.fixture(scope="module")
def login() -> Login:
    return Login()


@pytest.fixture(scope="module")
def other_account() -> Login:
    """The same password on the same vault, for another account."""
    return Login(World(identities=Identities(b"another account", VAULT)))


def test_untouched_it_works(login: Login) -> None:
    ke3, result = login.finish(KE2.decode(login.ke2.encode()))
    assert result.export_key == login.world.export_key
    server.finish(login.expected.client_mac, KE3.decode(ke3.encode()))


# KE2


@pytest.mark.parametrize("position", range(259))
def test_ke2_with_one_byte_changed(login: Login, position: int) -> None:
    """No byte is free: the client notices each, before it uses a key."""
    changed = flipped(login.ke2.encode(), position)
    with pytest.raises((DecodeError, EnvelopeRecoveryError, ServerAuthenticationError)):
        login.read(KE2.decode(changed))


KE2_CHANGES: dict[str, tuple[Callable[[Login], KE2], type[OpaqueError]]] = {
    "another element": (
        lambda login: login.with_credentials(evaluated_message=OTHER),
        EnvelopeRecoveryError,
    ),
    "the element's negative": (
        lambda login: login.with_credentials(
            evaluated_message=negative(login.ke2.credential_response.evaluated_message)
        ),
        EnvelopeRecoveryError,
    ),
    "the blinded element as evaluation": (
        lambda login: login.with_credentials(
            evaluated_message=login.ke1.credential_request.blinded_message
        ),
        EnvelopeRecoveryError,
    ),
    "the generator as evaluation": (
        lambda login: login.with_credentials(evaluated_message=GENERATOR),
        EnvelopeRecoveryError,
    ),
    "the generator's negative as evaluation": (
        lambda login: login.with_credentials(evaluated_message=negative(GENERATOR)),
        EnvelopeRecoveryError,
    ),
    "another masking nonce": (
        lambda login: login.with_credentials(masking_nonce=os.urandom(32)),
        EnvelopeRecoveryError,
    ),
    "another masked response": (
        lambda login: login.with_credentials(masked_response=os.urandom(97)),
        EnvelopeRecoveryError,
    ),
    "another server nonce": (
        lambda login: login.with_auth(server_nonce=os.urandom(32)),
        ServerAuthenticationError,
    ),
    "the client's nonce sent back": (
        lambda login: login.with_auth(server_nonce=login.ke1.auth_request.client_nonce),
        ServerAuthenticationError,
    ),
    "another keyshare": (
        lambda login: login.with_auth(server_public_keyshare=OTHER),
        ServerAuthenticationError,
    ),
    "the keyshare's negative": (
        lambda login: login.with_auth(
            server_public_keyshare=negative(login.ke2.auth_response.server_public_keyshare)
        ),
        ServerAuthenticationError,
    ),
    "the client's keyshare sent back": (
        lambda login: login.with_auth(
            server_public_keyshare=login.ke1.auth_request.client_public_keyshare
        ),
        ServerAuthenticationError,
    ),
    "the generator as keyshare": (
        lambda login: login.with_auth(server_public_keyshare=GENERATOR),
        ServerAuthenticationError,
    ),
    "a MAC of zeros": (
        lambda login: login.with_auth(server_mac=bytes(32)),
        ServerAuthenticationError,
    ),
    "the client's MAC as the server's": (
        lambda login: login.with_auth(server_mac=login.expected.client_mac),
        ServerAuthenticationError,
    ),
}


@pytest.mark.parametrize("change", KE2_CHANGES)
def test_ke2_with_a_field_replaced(login: Login, change: str) -> None:
    make, error = KE2_CHANGES[change]
    with pytest.raises(error):
        login.read(make(login))


def test_the_masked_values_cannot_be_changed_under_the_mask(login: Login) -> None:
    """Masking is malleable; the envelope and the MAC are not. The attacker has the record."""
    response, key = login.ke2.credential_response, login.world.record.masking_key
    public_key, sealed = unmask(key, response.masking_nonce, response.masked_response)
    assert public_key == login.world.server_key.public_key
    for false_key, false_envelope in (
        (OTHER, sealed),
        (negative(public_key), sealed),
        (public_key, Envelope(os.urandom(32), sealed.auth_tag)),
        (public_key, Envelope(sealed.nonce, os.urandom(32))),
    ):
        masked = mask(key, response.masking_nonce, false_key, false_envelope)
        with pytest.raises(EnvelopeRecoveryError):
            login.read(login.with_credentials(masked_response=masked))


def test_ke2_of_another_login(login: Login) -> None:
    """The same account, password and server: but the answer to another KE1."""
    with pytest.raises(EnvelopeRecoveryError):
        login.read(Login(login.world).ke2)


def test_halves_of_two_answers_to_one_ke1(login: Login) -> None:
    second, _ = login.world.answer(login.ke1)
    for ke2 in (
        replace(login.ke2, auth_response=second.auth_response),
        replace(login.ke2, credential_response=second.credential_response),
    ):
        with pytest.raises(ServerAuthenticationError):
            login.read(ke2)


def test_ke2_of_another_account(login: Login, other_account: Login) -> None:
    ke2, _ = other_account.world.answer(login.ke1)
    with pytest.raises(EnvelopeRecoveryError):
        login.read(ke2)


# KE1


@pytest.mark.parametrize(
    "change",
    [
        lambda ke1: replace(ke1, auth_request=replace(ke1.auth_request, client_nonce=bytes(32))),
        lambda ke1: replace(ke1, auth_request=AuthRequest(ke1.auth_request.client_nonce, OTHER)),
        lambda ke1: replace(
            ke1,
            auth_request=AuthRequest(
                ke1.auth_request.client_nonce,
                negative(ke1.auth_request.client_public_keyshare),
            ),
        ),
    ],
    ids=["nonce", "keyshare", "keyshare's negative"],
)
def test_ke1_with_its_key_exchange_changed(login: Login, change: Callable[[KE1], KE1]) -> None:
    ke2, _ = login.world.answer(change(login.ke1))
    with pytest.raises(ServerAuthenticationError):
        login.read(ke2)


@pytest.mark.parametrize("element", [OTHER, GENERATOR, negative(GENERATOR)])
def test_ke1_with_its_element_changed(login: Login, element: Element) -> None:
    ke2, _ = login.world.answer(replace(login.ke1, credential_request=CredentialRequest(element)))
    with pytest.raises(EnvelopeRecoveryError):
        login.read(ke2)


def test_ke1_with_the_negative_element_and_the_answer_turned_back(login: Login) -> None:
    """The evaluation comes out right, but the transcript is another."""
    element = login.ke1.credential_request.blinded_message
    turned = replace(login.ke1, credential_request=CredentialRequest(negative(element)))
    ke2, _ = login.world.answer(turned)
    evaluated = negative(ke2.credential_response.evaluated_message)
    response = replace(ke2.credential_response, evaluated_message=evaluated)
    with pytest.raises(ServerAuthenticationError):
        login.read(replace(ke2, credential_response=response))


# KE3


@pytest.mark.parametrize("position", range(32))
def test_ke3_with_one_byte_changed(login: Login, position: int) -> None:
    ke3, _ = login.finish(login.ke2)
    with pytest.raises(ClientAuthenticationError):
        server.finish(login.expected.client_mac, KE3.decode(flipped(ke3.encode(), position)))


def test_ke3_of_another_login_or_account(login: Login, other_account: Login) -> None:
    again = Login(login.world)
    for stranger in (again, other_account):
        ke3, _ = stranger.finish(stranger.ke2)
        with pytest.raises(ClientAuthenticationError):
            server.finish(login.expected.client_mac, ke3)


def test_ke3_of_the_servers_mac_or_a_key(login: Login) -> None:
    for mac in (login.ke2.auth_response.server_mac, login.expected.session_key, bytes(32)):
        with pytest.raises(ClientAuthenticationError):
            server.finish(login.expected.client_mac, KE3(mac))


def test_knowing_everything_but_the_password_is_not_enough(login: Login) -> None:
    """The attacker has the record, the identities and its own login with a guess."""
    ke1, session = client.generate_ke1(b"a guess")
    ke2, _ = login.world.answer(ke1)
    with pytest.raises(EnvelopeRecoveryError):
        client.generate_ke3(session, ke2, IDENTITIES, identity)


def test_the_session_key_is_in_no_message(login: Login) -> None:
    ke3, result = login.finish(login.ke2)
    seen = b"".join(message.encode() for message in (login.ke1, login.ke2, ke3, login.world.record))
    assert result.session_key not in seen
    assert result.export_key not in seen


# Records


RECORD_CHANGES: dict[str, tuple[Callable[[Login, Login], RegistrationRecord], type[OpaqueError]]]
RECORD_CHANGES = {
    "another account's record": (
        lambda login, other: other.world.record,
        EnvelopeRecoveryError,
    ),
    "another account's envelope": (
        lambda login, other: replace(login.world.record, envelope=other.world.record.envelope),
        EnvelopeRecoveryError,
    ),
    "another account's masking key": (
        lambda login, other: replace(
            login.world.record, masking_key=other.world.record.masking_key
        ),
        EnvelopeRecoveryError,
    ),
    "another account's public key": (
        lambda login, other: replace(
            login.world.record, client_public_key=other.world.record.client_public_key
        ),
        ServerAuthenticationError,
    ),
    "the public key's negative": (
        lambda login, other: replace(
            login.world.record, client_public_key=negative(login.world.record.client_public_key)
        ),
        ServerAuthenticationError,
    ),
    "an envelope of zeros": (
        lambda login, other: replace(login.world.record, envelope=Envelope(bytes(32), bytes(32))),
        EnvelopeRecoveryError,
    ),
}


@pytest.mark.parametrize("change", RECORD_CHANGES)
def test_a_changed_record_is_noticed_by_the_client(
    login: Login, other_account: Login, change: str
) -> None:
    make, error = RECORD_CHANGES[change]
    ke2, expected = server.generate_ke2(
        login.ke1,
        make(login, other_account),
        login.world.server_key,
        login.world.oprf_key,
        IDENTITIES,
    )
    with pytest.raises(error):
        login.read(ke2)
    assert expected.client_mac != login.expected.client_mac


def test_the_record_of_an_older_password_does_not_open(login: Login) -> None:
    """Registered again, the old record has another OPRF key and another envelope."""
    older = World(password=PASSWORD, server_key=login.world.server_key)
    ke2, _ = server.generate_ke2(
        login.ke1, older.record, login.world.server_key, login.world.oprf_key, IDENTITIES
    )
    with pytest.raises(EnvelopeRecoveryError):
        login.read(ke2)


# Identities


@pytest.mark.parametrize(
    "wrong",
    [
        Identities(b"another account", VAULT),
        Identities(ACCOUNT, b"strongroom/v1/another"),
        Identities(VAULT, ACCOUNT),
        Identities(None, VAULT),
        Identities(ACCOUNT, None),
        Identities(),
        Identities(b"account\x00", VAULT),
        Identities(b"accoun", b"t" + b"strongroom/v1/vault"),
    ],
)
def test_wrong_identities(login: Login, wrong: Identities) -> None:
    """At the client the envelope does not open; at the server the transcript is another."""
    with pytest.raises(EnvelopeRecoveryError):
        login.read(login.ke2, wrong)
    ke2, _ = server.generate_ke2(
        login.ke1, login.world.record, login.world.server_key, login.world.oprf_key, wrong
    )
    with pytest.raises(ServerAuthenticationError):
        login.read(ke2)


# False servers


def test_a_false_server_with_the_record_but_another_static_key(login: Login) -> None:
    """It names its own key under the mask: the envelope, bound to the first key, does not open."""
    ke2, _ = server.generate_ke2(
        login.ke1,
        login.world.record,
        SoftwareAkeKey(Scalar.random()),
        login.world.oprf_key,
        IDENTITIES,
    )
    with pytest.raises(EnvelopeRecoveryError):
        login.read(ke2)


class Impostor:
    """Shows the true public key and computes with another private one."""

    def __init__(self, shown: Element) -> None:
        self.public_key = shown
        self._own = SoftwareAkeKey(Scalar.random())

    def diffie_hellman(self, peer: Element) -> Element:
        return self._own.diffie_hellman(peer)


def test_a_false_server_with_everything_but_the_static_private_key(login: Login) -> None:
    ke2, _ = server.generate_ke2(
        login.ke1,
        login.world.record,
        Impostor(login.world.server_key.public_key),
        login.world.oprf_key,
        IDENTITIES,
    )
    with pytest.raises(ServerAuthenticationError):
        login.read(ke2)


@pytest.mark.parametrize("evaluated", [OTHER, GENERATOR, None])
def test_a_registration_that_was_evaluated_wrongly_opens_at_no_login(
    evaluated: Element | None,
) -> None:
    """The client cannot see it at registration; its rehearsal (docs/protocol.md 5.6) does."""
    world = World()
    request, session = client.create_registration_request(PASSWORD)
    response = RegistrationResponse(
        evaluated or request.blinded_message, world.server_key.public_key
    )
    world.record, _ = client.finalize_registration_request(session, response, IDENTITIES, identity)
    with pytest.raises(EnvelopeRecoveryError):
        world.login()


def test_a_registration_with_the_attackers_public_key_does_not_serve_the_true_server() -> None:
    world, attacker = World(), SoftwareAkeKey(Scalar.random())
    request, session = client.create_registration_request(PASSWORD)
    response = server.create_registration_response(request, attacker.public_key, world.oprf_key)
    world.record, _ = client.finalize_registration_request(session, response, IDENTITIES, identity)
    with pytest.raises(EnvelopeRecoveryError):
        world.login()


def test_a_swapped_oprf_key_is_noticed_by_the_token_check() -> None:
    """The key unwrapped is not the one whose public key the record holds."""
    stored, swapped = SoftwareOprfKey.generate(), SoftwareOprfKey.generate()
    with pytest.raises(KeyMismatch):
        multiply_by_ecdh(
            stored.public_key, OTHER, lambda point: swapped.evaluate(point).x.to_bytes(32, "big")
        )


# Points that no message may hold


BAD_POINTS = {
    "identity": bytes(33),
    "x off the curve": b"\x02" + (1).to_bytes(32, "big"),
    "x not below the prime": b"\x02" + PRIME.to_bytes(32, "big"),
    "all ones": b"\xff" * 33,
    "hybrid form": b"\x06" + GENERATOR.encode()[1:],
    "uncompressed form cut": GENERATOR.encode_uncompressed()[:33],
}
PLACES: list[tuple[type[Message], int, int]] = [
    (RegistrationRequest, 33, 0),
    (RegistrationResponse, 66, 0),
    (RegistrationResponse, 66, 33),
    (RegistrationRecord, 129, 0),
    (KE1, 98, 0),
    (KE1, 98, 65),
    (KE2, 259, 0),
    (KE2, 259, 194),
]


@pytest.mark.parametrize("point", BAD_POINTS)
@pytest.mark.parametrize(("kind", "size", "offset"), PLACES)
def test_bad_points_are_refused_before_any_key_is_used(
    kind: type[Message], size: int, offset: int, point: str
) -> None:
    data = bytearray(GENERATOR.encode() * 8)[:size]
    for _, _, place in [entry for entry in PLACES if entry[0] is kind]:
        data[place : place + 33] = GENERATOR.encode()
    kind.decode(bytes(data))  # all is well but for the point
    data[offset : offset + 33] = BAD_POINTS[point]
    with pytest.raises(DecodeError):
        kind.decode(bytes(data))


def test_a_bad_point_under_the_mask_is_a_failed_recovery(login: Login) -> None:
    """Who does not know the password must not learn from the kind of an error what came out."""
    response, key = login.ke2.credential_response, login.world.record.masking_key
    good = mask(key, response.masking_nonce, GENERATOR, login.world.record.envelope)
    for bad in BAD_POINTS.values():
        xored = bytes(a ^ b ^ c for a, b, c in zip(good, GENERATOR.encode(), bad, strict=False))
        with pytest.raises(EnvelopeRecoveryError):
            login.read(login.with_credentials(masked_response=xored + good[33:]))


def test_wrong_context(login: Login) -> None:
    ke2, _ = login.world.answer(login.ke1, context=b"another application")
    with pytest.raises(ServerAuthenticationError):
        login.read(ke2)
