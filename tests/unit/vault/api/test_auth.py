"""What an access token must say; `tests/integration/test_protocol_tokens.py` sends them."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from strongroom_protocol import labels
from strongroom_vault.api import auth
from strongroom_vault.api.auth import Access, AccessTokens
from strongroom_vault.api.key_sets import KeySetFile
from strongroom_vault.errors import AccessTokenExpired, AccessTokenInvalid, ScopeMissing
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from pathlib import Path

VAULT_ID = "vault.test"


class CountedKeys:
    """An issuer's key set that counts how often a key is looked up."""

    def __init__(self, folder: Path) -> None:
        self._file = KeySetFile(issuer.create_issuer(folder))
        self.lookups = 0

    async def find(self, key_id: str | None) -> jwt.PyJWK | None:
        self.lookups += 1
        return await self._file.find(key_id)


def sign(folder: Path, **claims: Any) -> str:
    """An access token of the folder's issuer, valid but for what is given; None leaves it out."""
    pem = (folder / issuer.KEY_FILE).read_bytes()
    (public,) = json.loads((folder / issuer.SET_FILE).read_bytes())["keys"]
    valid = {"aud": VAULT_ID, "sub": "alice", "exp": time.time() + 60, "scope": "read recover"}
    said = {name: value for name, value in (valid | claims).items() if value is not None}
    key: Any = serialization.load_pem_private_key(pem, password=None)
    return jwt.PyJWS().encode(json.dumps(said).encode(), key, "ES256", {"kid": public["kid"]})


async def test_what_an_access_token_says(tmp_path: Path) -> None:
    keys = CountedKeys(tmp_path)
    expires_at = round(time.time()) + 60
    access = await AccessTokens(VAULT_ID, keys).verify(sign(tmp_path, exp=expires_at))
    assert access == Access("alice", frozenset({"read", "recover"}), expires_at)
    access.require("read")
    with pytest.raises(ScopeMissing) as missing:
        access.require("delete")
    assert missing.value.metadata == {"scope": "delete"}


async def test_a_signature_is_verified_once_and_the_time_always(tmp_path: Path) -> None:
    keys = CountedKeys(tmp_path)
    now = [time.time()]
    tokens = AccessTokens(VAULT_ID, keys, clock=lambda: now[0])
    token = sign(tmp_path, exp=now[0] + 60)
    for _ in range(3):
        await tokens.verify(token)
    assert keys.lookups == 1
    now[0] += 60
    with pytest.raises(AccessTokenExpired):
        await tokens.verify(token)
    assert keys.lookups == 1


async def test_what_is_remembered_is_bounded_and_the_oldest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "MAX_REMEMBERED", 2)
    keys = CountedKeys(tmp_path)
    tokens = AccessTokens(VAULT_ID, keys)
    first, *others = (sign(tmp_path, sub=account) for account in ("a", "b", "c"))
    for token in (first, *others):
        await tokens.verify(token)
    for token in others:
        await tokens.verify(token)
    assert keys.lookups == 3
    await tokens.verify(first)
    assert keys.lookups == 4


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "vault.other"},
        {"sub": ""},
        {"sub": "x" * 256},
        {"sub": "\ud800"},
        {"sub": None},
        {"exp": None},
        {"exp": True},
        {"exp": "soon"},
        {"exp": 4_000_000_000},
        {"scope": ["read"]},
        {"iss": "another"},
    ],
    ids=str,
)
async def test_what_makes_an_access_token_invalid(tmp_path: Path, claims: dict[str, Any]) -> None:
    tokens = AccessTokens(VAULT_ID, CountedKeys(tmp_path), issuer="issuer.test")
    await tokens.verify(sign(tmp_path, iss="issuer.test"))
    with pytest.raises(AccessTokenInvalid):
        await tokens.verify(sign(tmp_path, **{"iss": "issuer.test", **claims}))


async def test_one_that_is_too_long_or_no_jwt_is_never_looked_up(tmp_path: Path) -> None:
    keys = CountedKeys(tmp_path)
    tokens = AccessTokens(VAULT_ID, keys)
    for token in ("", "x", "x" * (labels.ACCESS_TOKEN_MAX_SIZE + 1)):
        with pytest.raises(AccessTokenInvalid):
            await tokens.verify(token)
    assert keys.lookups == 0


async def test_another_issuer_is_not_believed(tmp_path: Path) -> None:
    tokens = AccessTokens(VAULT_ID, CountedKeys(tmp_path))
    other = tmp_path / "other"
    issuer.create_issuer(other)
    with pytest.raises(AccessTokenInvalid, match="not signed by a trusted key"):
        await tokens.verify(sign(other))


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf"), 10**1000])
async def test_a_time_that_is_none_makes_a_token_invalid(
    tmp_path: Path, claim: str, value: float
) -> None:
    """JSON of Python has such numbers, and an issuer may be wrong."""
    tokens = AccessTokens(VAULT_ID, CountedKeys(tmp_path))
    with pytest.raises(AccessTokenInvalid):
        await tokens.verify(sign(tmp_path, **{claim: value}))
