"""The account that an access token names. Read, not verified: the vault does that."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

from strongroom.errors import AccountUnknown
from strongroom_protocol.labels import ACCOUNT_MAX_SIZE


def account_of(access_token: str) -> str:
    """Return the `sub` claim of a JWT.

    Raises:
        AccountUnknown: it is no JWT or has no `sub` of 1 to 255 bytes.
    """
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        account = claims["sub"]
        size = len(account.encode())
    except (IndexError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        raise AccountUnknown from None  # the cause would show the token
    if not 1 <= size <= ACCOUNT_MAX_SIZE:
        raise AccountUnknown
    return str(account)
