"""Access tokens for development, as the vault verifies them."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from strongroom_vault.errors import OperatorError
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from pathlib import Path


def test_a_token_is_verified_by_the_set(tmp_path: Path) -> None:
    key_set = jwt.PyJWKSet.from_json(issuer.create_issuer(tmp_path / "new").read_text())
    token = issuer.issue(tmp_path / "new", "vault.test", "alice", "read", 60)
    (key,) = key_set.keys
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="vault.test")
    assert (claims["sub"], claims["scope"], claims["exp"] - claims["iat"]) == ("alice", "read", 60)
    assert jwt.get_unverified_header(token)["kid"] == key.key_id
    other = issuer.issue(tmp_path / "new", "vault.test", "alice", "read", 60)
    assert (
        jwt.decode(other, key, algorithms=["ES256"], audience="vault.test")["jti"]
        != (claims["jti"])
    )


def test_the_key_is_secret_and_the_set_has_none_of_it(tmp_path: Path) -> None:
    issuer.create_issuer(tmp_path)
    assert stat.S_IMODE((tmp_path / issuer.KEY_FILE).stat().st_mode) == 0o600
    (public,) = json.loads((tmp_path / issuer.SET_FILE).read_text())["keys"]
    assert "d" not in public
    assert (public["kty"], public["crv"], public["use"]) == ("EC", "P-256", "sig")


def test_a_key_is_never_replaced_and_a_lost_set_is_made_again(tmp_path: Path) -> None:
    issuer.create_issuer(tmp_path)
    key, made = ((tmp_path / name).read_bytes() for name in (issuer.KEY_FILE, issuer.SET_FILE))
    with pytest.raises(OperatorError, match=r"cannot make an issuer in .* exists"):
        issuer.create_issuer(tmp_path)
    (tmp_path / issuer.SET_FILE).unlink()
    issuer.create_issuer(tmp_path)
    assert (tmp_path / issuer.KEY_FILE).read_bytes() == key
    assert (tmp_path / issuer.SET_FILE).read_bytes() == made


def test_a_folder_without_an_issuer(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no issuer in"):
        issuer.issue(tmp_path, "vault.test", "alice", "read", 60)


def test_another_kind_of_key(tmp_path: Path) -> None:
    path = tmp_path / issuer.KEY_FILE
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for data, problem in ((other, "is not an EC key"), (b"a poem", "is not a private key")):
        path.write_bytes(data)
        with pytest.raises(OperatorError, match=problem):
            issuer.load_key(path)
