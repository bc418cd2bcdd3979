"""RFC 9807's P-256 vectors, step by step with their intermediate values, and our own answers."""

from __future__ import annotations

import hmac
import json
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opaque_vectors import OWN, Vector, own, published

from strongroom_protocol.opaque import ake, client, envelope, kdf, oprf, server
from strongroom_protocol.opaque.credential_response import unmask
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import Element, Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import Argon2id, Stretch, identity
from strongroom_protocol.opaque.messages import (
    KE1,
    KE2,
    KE3,
    CredentialResponse,
    Envelope,
    RegistrationRecord,
    RegistrationRequest,
    RegistrationResponse,
)

REAL = range(2)
OWN_LIVES = 4
ZERO_ENVELOPE = Envelope(bytes(32), bytes(32))


class Case:
    """One vector: its inputs as bytes, and its values as hexadecimal to compare with."""

    def __init__(self, vector: Vector) -> None:
        self.bytes = {name: bytes.fromhex(value) for name, value in vector["inputs"].items()}
        self.hex = {**vector["intermediates"], **vector["outputs"]}
        self.context = bytes.fromhex(vector["config"]["Context"])
        parameters = vector["config"].get("stretching")
        self.stretch: Stretch = Argon2id(**parameters) if parameters else identity
        self.identities = Identities(
            self.bytes.get("client_identity"), self.bytes.get("server_identity")
        )
        self.server_key = SoftwareAkeKey(Scalar.decode(self.bytes["server_private_key"]))
        self.fresh = server.Randomness(
            self.bytes["masking_nonce"],
            self.bytes["server_nonce"],
            SoftwareAkeKey.derive(self.bytes["server_keyshare_seed"]),
        )

    def scalar(self, name: str) -> Scalar:
        return Scalar.decode(self.bytes[name])

    def message(self, name: str) -> bytes:
        return bytes.fromhex(self.hex[name])

    @property
    def oprf_scalar(self) -> Scalar:
        """Given, as a vault has it; or of a seed, which a vault does not have (section 5.2.2)."""
        if "oprf_key" in self.bytes:
            return self.scalar("oprf_key")
        info = self.bytes["credential_identifier"] + b"OprfKey"
        seed = kdf.expand(self.bytes["oprf_seed"], info, 32)
        return oprf.derive_key_pair(seed, b"OPAQUE-DeriveKeyPair")

    @property
    def oprf_key(self) -> SoftwareOprfKey:
        return SoftwareOprfKey(self.oprf_scalar)


def cases() -> list[Case]:
    return [Case(vector) for vector in published("opaque.json", 3)]


@pytest.fixture(params=REAL, ids=["public keys as identities", "named identities"])
def real(request: pytest.FixtureRequest) -> Case:
    index: int = request.param
    return cases()[index]


@pytest.fixture
def fake() -> Case:
    return cases()[2]


@dataclass(frozen=True)
class Registered:
    """A registration of a vector."""

    request: RegistrationRequest
    response: RegistrationResponse
    record: RegistrationRecord
    export_key: bytes


def register(case: Case) -> Registered:
    request, session = client.create_registration_request(
        case.bytes["password"], blind=case.scalar("blind_registration")
    )
    response = server.create_registration_response(
        request, case.server_key.public_key, case.oprf_key
    )
    record, export_key = client.finalize_registration_request(
        session,
        response,
        case.identities,
        case.stretch,
        envelope_nonce=case.bytes["envelope_nonce"],
    )
    return Registered(request, response, record, export_key)


def start_login(case: Case) -> tuple[KE1, client.LoginSession]:
    return client.generate_ke1(
        case.bytes["password"],
        blind=case.scalar("blind_login"),
        nonce=case.bytes["client_nonce"],
        keyshare_seed=case.bytes["client_keyshare_seed"],
    )


def answer(case: Case, ke1: KE1, record: RegistrationRecord) -> tuple[KE2, server.ExpectedKE3]:
    return server.generate_ke2(
        ke1,
        record,
        case.server_key,
        case.oprf_key,
        case.identities,
        context=case.context,
        fresh=case.fresh,
    )


def test_the_configuration_is_ours() -> None:
    vectors = published("opaque.json", 3)
    assert [vector["config"]["Fake"] for vector in vectors] == ["False", "False", "True"]
    for vector in vectors:
        config = vector["config"]
        assert config["OPRF"] == "P256-SHA256"
        assert config["Group"] == "P256_XMD:SHA-256_SSWU_RO_"
        assert (config["KDF"], config["MAC"], config["Hash"]) == (
            "HKDF-SHA256",
            "HMAC-SHA256",
            "SHA256",
        )
        assert config["KSF"] == "Identity"


def test_keys(real: Case) -> None:
    assert real.oprf_scalar.encode().hex() == real.hex["oprf_key"]
    assert real.server_key.public_key.encode() == real.bytes["server_public_key"]


def test_registration(real: Case) -> None:
    registered = register(real)
    assert registered.request.encode().hex() == real.hex["registration_request"]
    assert registered.response.encode().hex() == real.hex["registration_response"]
    assert registered.record.encode().hex() == real.hex["registration_upload"]
    assert registered.export_key.hex() == real.hex["export_key"]


def test_login(real: Case) -> None:
    record = RegistrationRecord.decode(real.message("registration_upload"))
    ke1, session = start_login(real)
    assert ke1.encode().hex() == real.hex["KE1"]
    ke2, expected = answer(real, ke1, record)
    assert ke2.encode().hex() == real.hex["KE2"]
    ke3, result = client.generate_ke3(session, ke2, real.identities, identity, context=real.context)
    assert ke3.encode().hex() == real.hex["KE3"]
    assert result.session_key.hex() == real.hex["session_key"]
    assert result.export_key.hex() == real.hex["export_key"]
    assert result.server_public_key == real.server_key.public_key
    assert expected.session_key == result.session_key
    server.finish(expected.client_mac, ke3)


def test_envelope_values(real: Case) -> None:
    blind = real.scalar("blind_registration")
    evaluated = RegistrationResponse.decode(real.message("registration_response"))
    randomized = client.randomized_password(
        real.bytes["password"], blind, evaluated.evaluated_message, identity
    )
    assert randomized.hex() == real.hex["randomized_password"]
    assert envelope.masking_key(randomized).hex() == real.hex["masking_key"]
    auth_key = kdf.expand(randomized, real.bytes["envelope_nonce"] + b"AuthKey")
    assert auth_key.hex() == real.hex["auth_key"]

    sealed, credentials = envelope.store(
        randomized,
        real.server_key.public_key,
        real.identities,
        real.bytes["envelope_nonce"],
    )
    assert sealed.encode().hex() == real.hex["envelope"]
    assert credentials.client_key.public_key.encode().hex() == real.hex["client_public_key"]
    assert credentials.masking_key.hex() == real.hex["masking_key"]
    assert credentials.export_key.hex() == real.hex["export_key"]


def test_key_schedule_values(real: Case) -> None:
    """Handshake secret and MAC keys, from the three shared points of the server's side."""
    ke1, ke2 = KE1.decode(real.message("KE1")), KE2.decode(real.message("KE2"))
    client_public_key = Element.decode(real.message("client_public_key"))
    keyshare = SoftwareAkeKey.derive(real.bytes["server_keyshare_seed"])
    client_keyshare = ke1.auth_request.client_public_keyshare
    shared = (
        keyshare.diffie_hellman(client_keyshare),
        real.server_key.diffie_hellman(client_keyshare),
        keyshare.diffie_hellman(client_public_key),
    )
    transcript = ake.preamble(
        real.context,
        real.identities.of_client(client_public_key),
        ke1,
        real.identities.of_server(real.server_key.public_key),
        ke2.credential_response,
        ke2.auth_response.server_nonce,
        keyshare.public_key,
    )
    schedule = ake.key_schedule(shared, transcript)
    assert schedule.handshake_secret.hex() == real.hex["handshake_secret"]
    assert schedule.server_mac_key.hex() == real.hex["server_mac_key"]
    assert schedule.client_mac_key.hex() == real.hex["client_mac_key"]
    assert schedule.session_key.hex() == real.hex["session_key"]


def test_masked_response_opens(real: Case) -> None:
    response: CredentialResponse = KE2.decode(real.message("KE2")).credential_response
    public_key, sealed = unmask(
        real.message("masking_key"), response.masking_nonce, response.masked_response
    )
    assert public_key == real.server_key.public_key
    assert sealed.encode().hex() == real.hex["envelope"]


def test_fake(fake: Case) -> None:
    """Section 6.3.2.2: the answer for an account that is not there, from a fake record."""
    assert (
        SoftwareAkeKey(fake.scalar("client_private_key")).public_key.encode()
        == (fake.bytes["client_public_key"])
    )
    record = RegistrationRecord(
        Element.decode(fake.bytes["client_public_key"]), fake.bytes["masking_key"], ZERO_ENVELOPE
    )
    ke2, _ = answer(fake, KE1.decode(fake.bytes["KE1"]), record)
    assert ke2.encode().hex() == fake.hex["KE2"]


DECODERS: dict[str, Any] = {
    "registration_request": RegistrationRequest,
    "registration_response": RegistrationResponse,
    "registration_record": RegistrationRecord,
    "KE1": KE1,
    "KE2": KE2,
    "KE3": KE3,
}


@pytest.mark.parametrize("name", ["oprf", "opaque"])
def test_known_answers_of_our_own(name: str) -> None:
    """The files are what `make_opaque.py` makes today, byte for byte."""
    made = runpy.run_path(str(Path(OWN, "make_opaque.py")))[f"{name}_answers"]()
    assert made == own(f"{name}.json", {"oprf": 1, "opaque": OWN_LIVES}[name])
    assert (OWN / f"{name}.json").read_text() == json.dumps(made, indent=2) + "\n"


@pytest.mark.parametrize("index", range(OWN_LIVES))
def test_own_answers_follow_from_their_inputs(index: int) -> None:
    """What an implementer does with the file: each message from the blinds, nonces and seeds."""
    case = Case(own("opaque.json", OWN_LIVES)[index])
    registered = register(case)
    ke1, session = start_login(case)
    ke2, _ = answer(case, ke1, registered.record)
    ke3, result = client.generate_ke3(session, ke2, case.identities, case.stretch)
    made = {
        "registration_request": registered.request.encode(),
        "registration_response": registered.response.encode(),
        "registration_record": registered.record.encode(),
        "KE1": ke1.encode(),
        "KE2": ke2.encode(),
        "KE3": ke3.encode(),
        "export_key": result.export_key,
        "session_key": result.session_key,
    }
    assert {name: value.hex() for name, value in made.items()} == {
        name: case.hex[name] for name in made
    }
    for name, kind in DECODERS.items():
        assert kind.decode(made[name]).encode() == made[name]


@pytest.mark.parametrize("index", range(OWN_LIVES))
def test_own_intermediate_values(index: int) -> None:
    """By another way than the file is made: from its response and record."""
    case = Case(own("opaque.json", OWN_LIVES)[index])
    output = oprf.finalize(
        case.bytes["password"],
        case.scalar("blind_registration"),
        RegistrationResponse.decode(case.message("registration_response")).evaluated_message,
    )
    stretched = case.stretch(output)
    assert (output.hex(), stretched.hex()) == (
        case.hex["oprf_output"],
        case.hex["stretched_oprf_output"],
    )
    randomized = hmac.digest(bytes(32), output + stretched, "sha256")
    assert randomized.hex() == case.hex["randomized_password"]
    auth_key = hmac.digest(randomized, case.bytes["envelope_nonce"] + b"AuthKey\1", "sha256")
    assert auth_key.hex() == case.hex["auth_key"]
    record = RegistrationRecord.decode(case.message("registration_record"))
    assert envelope.masking_key(randomized) == record.masking_key == case.message("masking_key")
    assert record.client_public_key.encode() == case.message("client_public_key")
    assert record.envelope.encode() == case.message("envelope")
    assert case.server_key.public_key.encode() == case.bytes["server_public_key"]
