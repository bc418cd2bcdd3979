"""A development issuer of access tokens: one ES256 key and its JWK set, in files.

A deployment's own identity provider issues tokens; this is for development, tests and the demo.
"""

from __future__ import annotations

import json
import time
import uuid
from typing import TYPE_CHECKING

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from strongroom_vault.errors import OperatorError
from strongroom_vault.platform.files import reason, write_new

if TYPE_CHECKING:
    from pathlib import Path

KEY_FILE = "issuer.key.pem"
SET_FILE = "issuer.jwks.json"


def create_issuer(folder: Path) -> Path:
    """Make a signing key (mode 0600) and its JWK set in `folder`; return the set's path.

    Raises:
        OperatorError: the folder has an issuer, or the files cannot be written.
    """
    if (folder / KEY_FILE).exists() and (folder / SET_FILE).exists():
        raise OperatorError(f"cannot make an issuer in {folder}: {folder / KEY_FILE} exists")
    return ensure_issuer(folder)


def ensure_issuer(folder: Path) -> Path:
    """Make the files of an issuer that are missing in `folder`; return its JWK set's path.

    Raises:
        OperatorError: the files cannot be written, or the key that is there cannot be read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / KEY_FILE).exists():
            write_new(folder / KEY_FILE, new_key(), 0o600)
        if not (folder / SET_FILE).exists():
            jwks = {"keys": [_public(_signing_key(folder))]}
            write_new(folder / SET_FILE, (json.dumps(jwks, indent=2) + "\n").encode(), 0o644)
    except OSError as error:
        raise OperatorError(f"cannot make an issuer in {folder}: {reason(error)}") from error
    return folder / SET_FILE


def issue(folder: Path, vault_id: str, account: str, scope: str, lifetime_s: int) -> str:
    """Return an access token for `account`, good for `lifetime_s` seconds.

    Raises:
        OperatorError: there is no issuer in `folder`.
    """
    key = _signing_key(folder)
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


def new_key() -> bytes:
    """Return a fresh P-256 key as PEM."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a PEM file.

    Raises:
        OSError: it cannot be read.
        OperatorError: it is not such a key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise OperatorError(f"{path} is not a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OperatorError(f"{path} is not an EC key")
    return key


def _signing_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    try:
        return load_key(folder / KEY_FILE)
    except OSError as error:
        raise OperatorError(f"there is no issuer in {folder}: {reason(error)}") from error


def _public(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the public half as a JWK."""
    public = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": _key_id(key), "alg": "ES256", "use": "sig"}


def _key_id(key: ec.EllipticCurvePrivateKey) -> str:
    return f"{key.public_key().public_numbers().x:064x}"[:16]
