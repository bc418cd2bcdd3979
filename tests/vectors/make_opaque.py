"""Makes our own known answers for the OPRF and OPAQUE: `python tests/vectors/make_opaque.py`.

Every random value is the SHA-256 of its name, so that the files come out the same each time; a
test compares them. Change them only when the protocol changes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from strongroom.opaque import client, oprf, server
from strongroom.opaque.envelope import Identities
from strongroom.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom.opaque.ksf import Argon2id

if TYPE_CHECKING:
    from strongroom.opaque.group import Scalar

FOLDER: Final = Path(__file__).parent
KEY_INFO: Final = b"strongroom test key"
INPUTS: Final = (b"a", b"correct horse battery staple", "pässwörd".encode(), bytes(range(256)))
STRETCH: Final = Argon2id(memory_kib=256, passes=2, lanes=4)
IDENTITIES: Final = (
    Identities(),
    Identities(b"account-1", b"strongroom/v1/test"),
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


def opaque_answer(identities: Identities) -> dict[str, Any]:
    """One whole life: registration and login, stretched with Argon2id, empty context."""
    password = INPUTS[1]
    server_key, oprf_key = SoftwareAkeKey(scalar("server")), SoftwareOprfKey(scalar("oprf"))
    request, registration = client.create_registration_request(password, blind=scalar("blind 1"))
    response = server.create_registration_response(request, server_key.public_key, oprf_key)
    record, export_key = client.finalize_registration_request(
        registration, response, identities, STRETCH, envelope_nonce=pseudorandom("envelope")
    )
    ke1, login = client.generate_ke1(
        password,
        blind=scalar("blind 2"),
        nonce=pseudorandom("client"),
        keyshare_seed=pseudorandom("client keyshare"),
    )
    fresh = server.Fresh(
        pseudorandom("masking"),
        pseudorandom("server"),
        SoftwareAkeKey.derive(pseudorandom("server keyshare")),
    )
    ke2, _ = server.generate_ke2(ke1, record, server_key, oprf_key, identities, fresh=fresh)
    ke3, result = client.generate_ke3(login, ke2, identities, STRETCH)
    return {
        "client_identity": None if identities.client is None else identities.client.hex(),
        "server_identity": None if identities.server is None else identities.server.hex(),
        "password": password.hex(),
        "registration_request": request.encode().hex(),
        "registration_response": response.encode().hex(),
        "registration_record": record.encode().hex(),
        "KE1": ke1.encode().hex(),
        "KE2": ke2.encode().hex(),
        "KE3": ke3.encode().hex(),
        "export_key": export_key.hex(),
        "session_key": result.session_key.hex(),
    }


def opaque_answers() -> list[dict[str, Any]]:
    """The file `opaque.json`."""
    return [opaque_answer(identities) for identities in IDENTITIES]


def main() -> None:
    """Writes both files."""
    for name, answers in (("oprf.json", oprf_answers()), ("opaque.json", opaque_answers())):
        (FOLDER / name).write_text(json.dumps(answers, indent=2) + "\n")


if __name__ == "__main__":
    main()
