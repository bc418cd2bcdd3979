"""Appendices C and D of docs/protocol.md: the bytes of an exchange, and a second client for them.

The second client is written from the page alone, with textbook arithmetic, Argon2 and AES-GCM. Of
`strongroom` it has the hashing of RFC 9380, which the page does not restate.
"""

from __future__ import annotations

import hmac
import json
import runpy
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import p256_twin as curve
from argon2.low_level import Type, hash_secret_raw
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from strongroom import wire
from strongroom_protocol.opaque.hash_to_curve import hash_to_curve, hash_to_scalar
from strongroom_protocol.v1 import vault_pb2 as pb

REPOSITORY: Final = Path(__file__).parents[3]
PAGE: Final = (REPOSITORY / "docs" / "protocol.md").read_text(encoding="utf-8")
VECTORS: Final = REPOSITORY / "tests" / "vectors"
SENT: Final = {
    name: bytes.fromhex(value)
    for name, value in json.loads((VECTORS / "exchange.json").read_text()).items()
}
LIFE: Final = json.loads((VECTORS / "opaque.json").read_text())[-1]
GIVEN: Final = {name: bytes.fromhex(value) for name, value in LIFE["inputs"].items()}
CLIENT, SERVER = b"account-1", b"strongroom/v1/test"
CONTEXT: Final = b"OPRFV1-" + bytes(1) + b"-P256-SHA256"
DIFFIE_HELLMAN: Final = b"OPAQUE-DeriveDiffieHellmanKeyPair"


def sent(kind: Any) -> Any:
    return kind.FromString(SENT[kind.__name__])


def test_the_exchange_is_what_the_code_sends() -> None:
    made = runpy.run_path(str(VECTORS / "make_exchange.py"))
    messages = made["exchange"]()
    assert json.loads((VECTORS / "exchange.json").read_text()) == made["hexadecimal"](messages)
    assert "\n".join(made["lines"](messages)) in PAGE, "run tests/vectors/make_exchange.py"
    answers = [message for name, message in messages.items() if name.endswith("Response")]
    assert len(answers) == 6
    for answer in answers:
        wire.decode(answer)


# From here on: appendix C.


def prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def extract(data: bytes) -> bytes:
    return mac(b"", data)


def expand(prk: bytes, info: bytes, size: int) -> bytes:
    block = found = b""
    for counter in range(1, -(-size // 32) + 1):
        block = mac(prk, block + info + bytes([counter]))
        found += block
    return found[:size]


def encoded(point: curve.Point) -> bytes:
    assert point is not None
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def decoded(data: bytes) -> curve.Point:
    x = int.from_bytes(data[1:], "big")
    y = pow(x**3 - 3 * x + curve.B, (curve.P + 1) // 4, curve.P)
    return x, y if y % 2 == data[0] % 2 else curve.P - y


def blinded(password: bytes, blind: bytes) -> bytes:
    point = hash_to_curve(password, b"HashToGroup-" + CONTEXT)
    return encoded(curve.times(int.from_bytes(blind, "big"), (point.x, point.y)))


def randomized(password: bytes, blind: bytes, evaluated: bytes, stretching: pb.Argon2id) -> bytes:
    inverse = pow(int.from_bytes(blind, "big"), -1, curve.N)
    point = encoded(curve.times(inverse, decoded(evaluated)))
    output = sha256(prefixed(password) + prefixed(point) + b"Finalize").digest()
    memory, passes, lanes = stretching.memory_kib, stretching.passes, stretching.lanes
    return extract(
        output + hash_secret_raw(output, bytes(16), passes, memory, lanes, 32, Type.ID, 0x13)
    )


def key_pair(seed: bytes) -> tuple[int, bytes]:
    secret = hash_to_scalar(seed + prefixed(DIFFIE_HELLMAN) + bytes(1), b"DeriveKeyPair" + CONTEXT)
    return secret, encoded(curve.times(secret, curve.G))


def envelope(randomized_password: bytes, nonce: bytes, server_key: bytes) -> tuple[int, bytes]:
    """The client's secret key, and the tag over what it belongs to."""
    secret, _ = key_pair(expand(randomized_password, nonce + b"PrivateKey", 32))
    auth_key = expand(randomized_password, nonce + b"AuthKey", 32)
    return secret, mac(auth_key, nonce + server_key + prefixed(SERVER) + prefixed(CLIENT))


def derive(secret: bytes, label: bytes, transcript: bytes) -> bytes:
    name = b"OPAQUE-" + label
    info = bytes([0, 32, len(name)]) + name + bytes([len(transcript)]) + transcript
    return expand(secret, info, 32)


def unsealed(export_key: bytes, sealed: bytes, key_id: bytes) -> bytes:
    aad = b"strongroom/v1 sealed backup key" + prefixed(b"test") + prefixed(CLIENT) + key_id
    key = expand(export_key, b"strongroom/v1 backup key", 32)
    return AESGCM(key).decrypt(sealed[:12], sealed[12:], aad)


def test_a_registration_from_the_page_alone() -> None:
    password, blind = GIVEN["password"], GIVEN["blind_registration"]
    request = sent(pb.StartRegistrationRequest)
    assert request.registration_request == blinded(password, blind)
    started = sent(pb.StartRegistrationResponse)
    evaluated, server_key = (
        started.registration_response[:33],
        started.registration_response[33:],
    )
    assert server_key == sent(pb.GetVaultResponse).identity_public_key
    rwd = randomized(password, blind, evaluated, started.stretching)
    nonce = GIVEN["envelope_nonce"]
    secret, tag = envelope(rwd, nonce, server_key)
    public = encoded(curve.times(secret, curve.G))
    finish = sent(pb.FinishRegistrationRequest)
    assert finish.registration_record == public + expand(rwd, b"MaskingKey", 32) + nonce + tag
    export_key = expand(rwd, nonce + b"ExportKey", 32)
    assert unsealed(export_key, finish.sealed_backup_key, started.key_id) == bytes(range(32, 64))


def test_a_recovery_from_the_page_alone() -> None:
    password, blind = GIVEN["password"], GIVEN["blind_login"]
    share, public_share = key_pair(GIVEN["client_keyshare_seed"])
    ke1 = blinded(password, blind) + GIVEN["client_nonce"] + public_share
    assert sent(pb.StartRecoveryRequest).ke1 == ke1
    started = sent(pb.StartRecoveryResponse)
    ke2 = started.ke2
    rwd = randomized(password, blind, ke2[:33], started.stretching)
    pad = expand(expand(rwd, b"MaskingKey", 32), ke2[33:65] + b"CredentialResponsePad", 97)
    unmasked = bytes(a ^ b for a, b in zip(ke2[65:162], pad, strict=True))
    server_key, nonce = unmasked[:33], unmasked[33:65]
    assert server_key == sent(pb.GetVaultResponse).identity_public_key
    secret, tag = envelope(rwd, nonce, server_key)
    assert tag == unmasked[65:]

    preamble = b"OPAQUEv1-" + prefixed(b"") + prefixed(CLIENT) + ke1 + prefixed(SERVER) + ke2[:-32]
    server_share = decoded(ke2[194:227])
    products = ((share, server_share), (share, decoded(server_key)), (secret, server_share))
    prk = extract(b"".join(encoded(curve.times(*product)) for product in products))
    handshake = derive(prk, b"HandshakeSecret", sha256(preamble).digest())
    server_mac = mac(derive(handshake, b"ServerMAC", b""), sha256(preamble).digest())
    assert server_mac == ke2[227:]
    transcript = sha256(preamble + server_mac).digest()
    assert sent(pb.FinishRecoveryRequest).ke3 == mac(
        derive(handshake, b"ClientMAC", b""), transcript
    )
    sealed = sent(pb.FinishRecoveryResponse).sealed_backup_key
    export_key = expand(rwd, nonce + b"ExportKey", 32)
    assert unsealed(export_key, sealed, started.key_id) == bytes(range(32, 64))
    for name, value in (("export_key", export_key), ("sealed", sealed[:12])):
        assert f"{name:<19} = {value.hex()}" in PAGE
