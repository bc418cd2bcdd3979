"""Makes our own known answers for the OPRF and OPAQUE: `python tests/vectors/make_opaque.py`.

Every random value is the SHA-256 of its name, so that the files come out the same each time; a
test compares them. Change them only when the protocol changes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from strongroom_protocol.opaque import client, labels, oprf, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.kdf import expand, extract
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import RFC9106_SECOND, Argon2id

FOLDER: Final = Path(__file__).parent
KEY_INFO: Final = b"strongroom test key"
INPUTS: Final = (b"a", b"correct horse battery staple", "pässwörd".encode(), bytes(range(256)))
STRETCH: Final = Argon2id(memory_kib=256, passes=2, lanes=4)
STRONGROOM: Final = Identities(b"account-1", b"strongroom/v1/test")
IDENTITIES: Final = (
    Identities(),
    STRONGROOM,
    Identities(b"account-1", None),
)


def pseudorandom(name: str) -> bytes:
    """32 bytes for a name."""
    return hashlib.sha256(f"strongroom known answer: {name}".encode()).digest()


def scalar(name: str) -> Scalar:
    """A scalar for a name."""
    return oprf.derive_key_pair(pseudorandom(name), b"known answer")


def oprf_answers() -> list[dict[str, Any]]:
    """The file `oprf.json`, in the form of the published vectors."""
    seed = pseudorandom("seed")
    key = oprf.derive_key_pair(seed, KEY_INFO)
    vectors = []
    for index, data in enumerate(INPUTS):
        blind = scalar(f"blind {index}")
        blinded = oprf.blind(data, blind)
        evaluated = SoftwareOprfKey(key).evaluate(blinded)
        vectors.append(
            {
                "Batch": 1,
                "Blind": blind.encode().hex(),
                "BlindedElement": blinded.encode().hex(),
                "EvaluationElement": evaluated.encode().hex(),
                "Input": data.hex(),
                "Output": oprf.finalize(data, blind, evaluated).hex(),
            }
        )
    group_dst = b"HashToGroup-" + oprf.context_string()
    return [
        {
            "groupDST": group_dst.hex(),
            "identifier": "P256-SHA256",
            "keyInfo": KEY_INFO.hex(),
            "mode": 0,
            "seed": seed.hex(),
            "skSm": key.encode().hex(),
            "vectors": vectors,
        }
    ]


def opaque_answer(identities: Identities, stretch: Argon2id = STRETCH) -> dict[str, Any]:
    """One whole life, registration and login, with all that makes each of its messages again.

    In the form of RFC 9807's vectors: config, inputs, intermediates, outputs. Where that has a seed
    of OPRF keys and a credential identifier, this has `oprf_key`: a vault has one for each key.
    """
    inputs = {
        "password": INPUTS[1],
        "blind_registration": scalar("blind 1").encode(),
        "blind_login": scalar("blind 2").encode(),
        "envelope_nonce": pseudorandom("envelope"),
        "client_nonce": pseudorandom("client"),
        "client_keyshare_seed": pseudorandom("client keyshare"),
        "masking_nonce": pseudorandom("masking"),
        "server_nonce": pseudorandom("server"),
        "server_keyshare_seed": pseudorandom("server keyshare"),
        "oprf_key": scalar("oprf").encode(),
        "server_private_key": scalar("server").encode(),
        "server_public_key": SoftwareAkeKey(scalar("server")).public_key.encode(),
    }
    if identities.client is not None:
        inputs["client_identity"] = identities.client
    if identities.server is not None:
        inputs["server_identity"] = identities.server
    return {"config": config(stretch), "inputs": hexadecimal(inputs)} | answers(
        inputs, identities, stretch
    )


def answers(inputs: dict[str, bytes], identities: Identities, stretch: Argon2id) -> dict[str, Any]:
    """What follows from the inputs of a life: its intermediates and outputs."""
    server_key = SoftwareAkeKey(Scalar.decode(inputs["server_private_key"]))
    oprf_key = SoftwareOprfKey(Scalar.decode(inputs["oprf_key"]))
    request, registration = client.create_registration_request(
        inputs["password"], blind=Scalar.decode(inputs["blind_registration"])
    )
    response = server.create_registration_response(request, server_key.public_key, oprf_key)
    record, export_key = client.finalize_registration_request(
        registration, response, identities, stretch, envelope_nonce=inputs["envelope_nonce"]
    )
    ke1, login = client.generate_ke1(
        inputs["password"],
        blind=Scalar.decode(inputs["blind_login"]),
        nonce=inputs["client_nonce"],
        keyshare_seed=inputs["client_keyshare_seed"],
    )
    fresh = server.Randomness(
        inputs["masking_nonce"],
        inputs["server_nonce"],
        SoftwareAkeKey.derive(inputs["server_keyshare_seed"]),
    )
    ke2, _ = server.generate_ke2(ke1, record, server_key, oprf_key, identities, fresh=fresh)
    ke3, result = client.generate_ke3(login, ke2, identities, stretch)
    output = oprf.finalize(inputs["password"], registration.blinding, response.evaluated_message)
    stretched = stretch(output)
    randomized = extract(output + stretched)
    intermediates = {
        "oprf_output": output,
        "stretched_oprf_output": stretched,
        "randomized_password": randomized,
        "auth_key": expand(randomized, inputs["envelope_nonce"] + labels.AUTH_KEY),
        "masking_key": record.masking_key,
        "client_public_key": record.client_public_key.encode(),
        "envelope": record.envelope.encode(),
    }
    outputs = {
        "registration_request": request.encode(),
        "registration_response": response.encode(),
        "registration_record": record.encode(),
        "KE1": ke1.encode(),
        "KE2": ke2.encode(),
        "KE3": ke3.encode(),
        "export_key": export_key,
        "session_key": result.session_key,
    }
    return {"intermediates": hexadecimal(intermediates), "outputs": hexadecimal(outputs)}


def config(stretch: Argon2id) -> dict[str, Any]:
    """The suite, under the names of RFC 9807's vectors; the stretching in those of vault.proto."""
    return {
        "Context": "",
        "Fake": "False",
        "Group": "P256_XMD:SHA-256_SSWU_RO_",
        "Hash": "SHA256",
        "KDF": "HKDF-SHA256",
        "KSF": "Argon2id",
        "MAC": "HMAC-SHA256",
        "Name": "3DH",
        "OPRF": "P256-SHA256",
        "stretching": asdict(stretch),
    }


def hexadecimal(values: dict[str, bytes]) -> dict[str, str]:
    """The values in hexadecimal."""
    return {name: value.hex() for name, value in values.items()}


def opaque_answers() -> list[dict[str, Any]]:
    """The file `opaque.json`; the last one is stretched as a vault asks for by default."""
    quick = [opaque_answer(identities) for identities in IDENTITIES]
    return [*quick, opaque_answer(STRONGROOM, RFC9106_SECOND)]


def main() -> None:
    """Writes both files."""
    for name, answers in (("oprf.json", oprf_answers()), ("opaque.json", opaque_answers())):
        (FOLDER / name).write_text(json.dumps(answers, indent=2) + "\n")


if __name__ == "__main__":
    main()
