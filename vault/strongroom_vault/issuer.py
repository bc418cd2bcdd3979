"""A development issuer of access tokens: one ES256 key and its JWK set, in files.

A deployment's own identity provider issues tokens; this is for development, tests and the demo.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_vault.errors import OperatorError

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE = "issuer.key.pem"
SET_FILE = "issuer.jwks.json"


def create_issuer(folder: Path) -> Path:
    """Make a signing key (mode 0600) and its JWK set in `folder`; return the set's path.

    Raises:
        OperatorError: there is a key already, or the files cannot be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    jwks = {"keys": [{**public, "kid": _key_id(key), "alg": "ES256", "use": "sig"}]}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_new(folder / KEY_FILE, pem, 0o600)
        (folder / SET_FILE).write_text(json.dumps(jwks, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"cannot make an issuer in {folder}: {error}") from error
    return folder / SET_FILE


def issue(folder: Path, vault_id: str, account: str, scope: str, lifetime_s: int) -> str:
    """Return an access token for `account`, good for `lifetime_s` seconds.

    Raises:
        OperatorError: there is no issuer in `folder`.
    """
    try:
        pem = (folder / KEY_FILE).read_bytes()
    except OSError as error:
        raise OperatorError(f"there is no issuer in {folder}: {error}") from error
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError(f"{folder / KEY_FILE} is not an EC key")
    now = int(time.time())
    claims = {
        "aud": vault_id,
        "sub": account,
        "scope": scope,
        "iat": now,
        "exp": now + lifetime_s,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, key, algorithm="ES256", headers={"kid": _key_id(key)})


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not be there yet.

    Raises:
        OSError: it is there, or cannot be written.
    """
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def _key_id(key: ec.EllipticCurvePrivateKey) -> str:
    return f"{key.public_key().public_numbers().x:064x}"[:16]
