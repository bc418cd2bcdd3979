"""What can be an access token at all, looked at before it is sent anywhere."""

from __future__ import annotations

import codecs
import re
from typing import Final

from strongroom import mistaken_tokens
from strongroom.arguments import check_types
from strongroom.errors import NotAnAccessToken
from strongroom_protocol.labels import ACCESS_TOKEN_MAX_SIZE

_ALPHABET: Final = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""b64token of RFC 6750 section 2.1."""
_BYTE_ORDER_MARK: Final = "\ufeff"
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def cleaned(text: object) -> str:
    """Return the access token that is meant: without the white space around it.

    Raises:
        NotAnAccessToken: it cannot be one. No part of it is told, as it may be a secret.
        TypeError: it is no str.
    """
    check_types(access_token=(text, str))
    token = str(text).removeprefix(_BYTE_ORDER_MARK).strip()
    if not token:
        raise NotAnAccessToken("it is empty")
    problem = mistaken_tokens.why_not_a_jwt(token)
    if problem and (mistake := mistaken_tokens.seems_to_be(token)):
        raise NotAnAccessToken(mistake)
    if token[:7].lower() == "bearer ":
        raise NotAnAccessToken('leave out the word "Bearer"')
    if len(token.split()) > 1:
        raise NotAnAccessToken("there is white space within it")
    if not _ALPHABET.fullmatch(token):
        raise NotAnAccessToken(
            "it has characters that no token has, such as quotes, braces, control characters, or"
            " letters beyond ASCII"
        )
    if len(token) > ACCESS_TOKEN_MAX_SIZE:
        raise NotAnAccessToken(
            f"it has {len(token)} characters, and a vault takes at most {ACCESS_TOKEN_MAX_SIZE}"
        )
    if problem:
        raise NotAnAccessToken(problem)
    return token


def decoded(data: bytes) -> str:
    """Return the access token in the bytes of a file.

    Raises:
        NotAnAccessToken: there is no token.
    """
    if data.startswith(_UTF_16) or b"\0" in data:
        raise NotAnAccessToken("it is UTF-16 or has zero bytes; save it as plain ASCII or UTF-8")
    try:
        return cleaned(data.decode())
    except UnicodeDecodeError:
        raise NotAnAccessToken("it has bytes that are no text") from None
