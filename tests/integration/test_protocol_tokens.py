"""Section 2.5 of docs/protocol.md over the wire: which access tokens a vault takes.

Each test names its clauses in brackets.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING, Any, Final

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from vault_process import VAULT_ID
from wire_client import Refused, WireClient, wire_client

from strongroom_protocol.v1 import vault_pb2 as pb
from strongroom_vault.api.auth import AccessTokens
from strongroom_vault.api.key_sets import KeySetFile
from strongroom_vault.errors import AccessTokenInvalid
from strongroom_vault.operator import issuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vault_process import VaultProcess

SUITE: Final = pb.SUITE_OPAQUE_3DH_P256_SHA256
CODE: Final = grpc.StatusCode


@pytest.fixture
def wire(shared_vault: VaultProcess, account: str) -> Iterator[WireClient]:
    with wire_client(shared_vault, account) as client:
        yield client


def refused(call: Callable[[], object], reason: str, **metadata: str) -> Refused:
    with pytest.raises(Refused) as error:
        call()
    assert (error.value.reason, error.value.metadata) == (reason, metadata), str(error.value)
    return error.value


def claims_of(vault: VaultProcess, **claims: Any) -> dict[str, Any]:
    """What the vault's issuer says, but for what is given; None leaves a part out."""
    good = jwt.decode(
        vault.folder.access_token(), options={"verify_signature": False}, algorithms=["ES256"]
    )
    return {name: value for name, value in {**good, **claims}.items() if value is not None}


def sign(vault: VaultProcess, header: dict[str, Any], **claims: Any) -> str:
    """A token of the vault's issuer with other parts."""
    pem = (vault.folder.folder / issuer.KEY_FILE).read_bytes()
    key: Any = serialization.load_pem_private_key(pem, password=None)
    return jwt.encode(claims_of(vault, **claims), key, algorithm="ES256", headers=header)


def ask_with(wire: WireClient, token: str) -> pb.GetKeyResponse:
    metadata = (("authorization", f"Bearer {token}"),)
    answer: pb.GetKeyResponse = wire.call(pb.GetKeyRequest(suite=SUITE), metadata)
    return answer


GOOD_TOKENS: Final[dict[str, Callable[[float], dict[str, Any]]]] = {
    "kid left out": lambda _: {},
    "15 minutes ahead": lambda now: {"exp": now + 900},
    "clocks differ": lambda now: {"exp": now + 925, "iat": now + 25, "nbf": now + 25},
    "nbf and iat left out": lambda _: {"iat": None},
    "many words": lambda _: {"scope": "other read  more"},
    "any issuer, where the vault is set to none": lambda _: {"iss": "anyone"},
    "the longest account": lambda _: {"sub": "\u00e9" * 127 + "a"},
}


@pytest.mark.parametrize("case", GOOD_TOKENS)
def test_good_access_tokens(shared_vault: VaultProcess, wire: WireClient, case: str) -> None:
    """[2.5]"""
    token = sign(shared_vault, {}, **GOOD_TOKENS[case](time.time()))
    assert ask_with(wire, token).WhichOneof("state") == "absent"


BAD_TOKENS: Final[dict[str, tuple[str, str, Callable[[float], dict[str, Any]]]]] = {
    "aud is another": ("ACCESS_TOKEN_INVALID", "aud", lambda _: {"aud": "vault.other"}),
    "aud is a list": ("ACCESS_TOKEN_INVALID", "aud", lambda _: {"aud": [VAULT_ID]}),
    "aud left out": ("ACCESS_TOKEN_INVALID", "aud", lambda _: {"aud": None}),
    "sub left out": ("ACCESS_TOKEN_INVALID", "sub", lambda _: {"sub": None}),
    "sub is empty": ("ACCESS_TOKEN_INVALID", "sub", lambda _: {"sub": ""}),
    "sub is too long": ("ACCESS_TOKEN_INVALID", "sub", lambda _: {"sub": "\u00e9" * 128}),
    "sub is no text": ("ACCESS_TOKEN_INVALID", "sub", lambda _: {"sub": "\ud800"}),
    "exp left out": ("ACCESS_TOKEN_INVALID", "time", lambda _: {"exp": None}),
    "exp too far ahead": ("ACCESS_TOKEN_INVALID", "time", lambda now: {"exp": now + 940}),
    "exp is past, however little": ("ACCESS_TOKEN_EXPIRED", "", lambda now: {"exp": now - 1}),
    "nbf ahead": ("ACCESS_TOKEN_INVALID", "time", lambda now: {"nbf": now + 60}),
    "iat ahead": ("ACCESS_TOKEN_INVALID", "time", lambda now: {"iat": now + 60}),
    "scope is a list": ("ACCESS_TOKEN_INVALID", "scope", lambda _: {"scope": ["read"]}),
}


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_bad_access_tokens(shared_vault: VaultProcess, wire: WireClient, case: str) -> None:
    """[2.5, 8.1]"""
    reason, check, claims = BAD_TOKENS[case]
    token = sign(shared_vault, {}, **claims(time.time()))
    details = {"check": check} if check else {}
    error = refused(lambda: ask_with(wire, token), reason, **details)
    assert error.code is CODE.UNAUTHENTICATED


@pytest.mark.parametrize("scope", ["", "READ", "read,delete", None])
def test_scopes_are_words(shared_vault: VaultProcess, wire: WireClient, scope: str | None) -> None:
    """[2.5] A token without a scope has none."""
    token = sign(shared_vault, {}, scope=scope)
    error = refused(lambda: ask_with(wire, token), "SCOPE_MISSING", scope="read")
    assert error.code is CODE.PERMISSION_DENIED


def test_a_kid_that_is_not_the_issuers(shared_vault: VaultProcess, wire: WireClient) -> None:
    """[2.5]"""
    token = sign(shared_vault, {"kid": "another"})
    refused(lambda: ask_with(wire, token), "ACCESS_TOKEN_INVALID", check="key")


def test_the_algorithm_is_the_keys(shared_vault: VaultProcess, wire: WireClient) -> None:
    """[2.5] With two keys: each with its own algorithm and by its `kid`, and no other way."""
    jwks = shared_vault.folder.folder / issuer.SET_FILE
    before = jwks.read_text()
    (es256,) = json.loads(before)["keys"]
    key = Ed25519PrivateKey.generate()
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    both = {"keys": [es256, {**public, "kid": "ed", "alg": "EdDSA", "use": "sig"}]}
    claims = claims_of(shared_vault)
    secret = hashlib.sha256(before.encode()).digest()
    jwks.write_text(json.dumps(both))
    try:
        good = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": "ed"})
        assert ask_with(wire, good).HasField("absent")
        assert ask_with(wire, sign(shared_vault, {"kid": es256["kid"]})).HasField("absent")
        bad = [
            (sign(shared_vault, {}), "key"),
            (sign(shared_vault, {"kid": "ed"}), "signature"),
            (
                jwt.encode(claims, key, "EdDSA", {"kid": es256["kid"]}),
                "signature",
            ),
            (jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "ed"}), "signature"),
            (jwt.encode(claims, "", algorithm="none", headers={"kid": "ed"}), "signature"),
            (good.rpartition(".")[0] + ".", "signature"),
        ]
        for token, check in bad:
            refused(lambda: ask_with(wire, token), "ACCESS_TOKEN_INVALID", check=check)  # noqa: B023
    finally:
        jwks.write_text(before)


async def test_one_issuer(shared_vault: VaultProcess) -> None:
    """[2.5] A vault that is set to one takes no token without its name."""
    keys = KeySetFile(shared_vault.folder.folder / issuer.SET_FILE)
    tokens = AccessTokens(VAULT_ID, keys, issuer="https://issuer.test")
    access = await tokens.verify(sign(shared_vault, {}, iss="https://issuer.test"))
    assert access.account == "alice"
    for other in (None, "", "https://issuer.test/"):
        with pytest.raises(AccessTokenInvalid):
            await tokens.verify(sign(shared_vault, {}, iss=other))


def test_an_access_token_has_4096_bytes_at_most(
    shared_vault: VaultProcess, wire: WireClient
) -> None:
    """[2.5]"""
    room = 4096 - len(sign(shared_vault, {}, pad=""))
    longest = sign(shared_vault, {}, pad="p" * (room * 3 // 4))
    assert 4090 < len(longest) <= 4096
    assert ask_with(wire, longest).HasField("absent")
    longer = sign(shared_vault, {}, pad="p" * (room * 3 // 4 + 6))
    assert len(longer) > 4096
    refused(lambda: ask_with(wire, longer), "ACCESS_TOKEN_INVALID", check="form")
