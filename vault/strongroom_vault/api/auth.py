"""Access tokens: who is calling, and what they may do.

An access token is a JWT (RFC 7519) signed with ES256 or EdDSA by a key of the trusted set: `aud` is
the vault id, `exp` at most 15 minutes away, `sub` the account, `scope` words separated by spaces.
One that was verified is remembered, so that only its first call pays for the signature.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import jwt
import structlog

from strongroom_protocol.labels import ACCESS_TOKEN_MAX_SIZE, ACCOUNT_MAX_SIZE
from strongroom_vault.errors import AccessTokenExpired, AccessTokenInvalid, ScopeMissing

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom_vault.api.key_sets import KeySet

log = structlog.get_logger()

MAX_LIFETIME_S: Final = 15 * 60
CLOCK_SKEW_S: Final = 30
"""How far an issuer's clock may be ahead of ours."""
MAX_REMEMBERED: Final = 10_000


@dataclass(frozen=True, slots=True)
class Access:
    """What a verified access token says.

    Attributes:
        account: 1 to 255 bytes of UTF-8.
        scopes: which calls are allowed.
        expires_at: seconds since the Unix epoch.
    """

    account: str
    scopes: frozenset[str]
    expires_at: float

    def require(self, scope: str) -> None:
        """Check that the access token has `scope`.

        Raises:
            ScopeMissing: it does not have it.
        """
        if scope not in self.scopes:
            raise ScopeMissing(scope)


class AccessTokens:
    """Verifies access tokens for one vault."""

    def __init__(
        self,
        vault_id: str,
        keys: KeySet,
        issuer: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._vault_id = vault_id
        self._keys = keys
        self._issuer = issuer
        self._clock = clock
        self._verified: OrderedDict[bytes, Access] = OrderedDict()

    async def verify(self, access_token: str) -> Access:
        """Return what an access token says.

        Raises:
            AccessTokenExpired: it was valid, and has expired.
            AccessTokenInvalid: no trusted issuer made it for this vault.
        """
        if len(access_token) > ACCESS_TOKEN_MAX_SIZE:
            raise AccessTokenInvalid("the access token is too long")
        # The digest is remembered, not the token: a dump of this memory holds nothing to call with.
        # It covers the signature as well, so a token that was changed anywhere is a new one.
        digest = hashlib.sha256(access_token.encode()).digest()
        access = self._verified.get(digest)
        if access is None:
            access = self._access(await self._claims(access_token))
            self._remember(digest, access)
        # After the memory, for every call: a remembered token expires like any other.
        if access.expires_at <= self._clock():
            raise AccessTokenExpired("the access token has expired")
        return access

    async def _claims(self, access_token: str) -> dict[str, Any]:
        """Verify the signature with the key that the header names, and what PyJWT checks."""
        try:
            key = await self._keys.find(_key_id(access_token.partition(".")[0]))
            if key is None:
                raise AccessTokenInvalid("the access token is not signed by a trusted key")
            return jwt.decode(
                access_token,
                key,
                # The key's own, never the one that the header names: the caller writes the header.
                algorithms=[key.algorithm_name],
                audience=self._vault_id,
                issuer=self._issuer,
                leeway=CLOCK_SKEW_S,
                options={"require": ["exp", "aud", "sub"], "strict_aud": True, "verify_exp": False},
            )
        except (jwt.PyJWTError, RecursionError, OverflowError) as error:
            raise AccessTokenInvalid(f"the access token is refused: {error}") from error

    def _access(self, claims: dict[str, Any]) -> Access:
        account, expires_at, scope = claims["sub"], claims["exp"], claims.get("scope", "")
        if not isinstance(account, str) or not 1 <= _size(account) <= ACCOUNT_MAX_SIZE:
            raise AccessTokenInvalid("sub is not 1 to 255 bytes of text")
        # NaN compares false with every time: it would pass the bound below, and never expire.
        if isinstance(expires_at, bool) or not isinstance(expires_at, int | float):
            raise AccessTokenInvalid("exp is not a number")
        if isinstance(expires_at, float) and not math.isfinite(expires_at):
            raise AccessTokenInvalid("exp is not a time")
        # The issuer cannot take a token back, so its lifetime bounds what a stolen one is worth.
        if expires_at > self._clock() + MAX_LIFETIME_S + CLOCK_SKEW_S:
            raise AccessTokenInvalid("exp is more than 15 minutes away")
        if not isinstance(scope, str):
            raise AccessTokenInvalid("scope is not text")
        return Access(account, frozenset(scope.split()), expires_at)

    def _remember(self, digest: bytes, access: Access) -> None:
        # The oldest goes: tokens live for minutes, so it is the nearest to its end. Only tokens
        # that were verified are remembered, so nobody without one can push others out.
        self._verified[digest] = access
        if len(self._verified) > MAX_REMEMBERED:
            self._verified.popitem(last=False)


@lru_cache(maxsize=64)
def _key_id(header: str) -> str | None:
    """Return which key a header names, as it is on the wire. An issuer's tokens share their header.

    Raises:
        jwt.PyJWTError: it is not a header.
    """
    key_id: str | None = jwt.get_unverified_header(f"{header}..").get("kid")
    return key_id


def _size(account: str) -> int:
    """Return the bytes of UTF-8; 0 for text that cannot be encoded, such as a lone surrogate."""
    try:
        return len(account.encode())
    except UnicodeEncodeError:
        return 0
