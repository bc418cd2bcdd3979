"""What is given by mistake in place of an access token, told apart by its form alone.

An access token is a signed JWT (RFC 7519, in the compact form of RFC 7515 section 3.1). Nothing is
verified here: the vault does that.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from typing import Final

from strongroom_protocol.invite import PREFIX as INVITE

_PARTS: Final = 3
_PARTS_IF_ENCRYPTED: Final = 5
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+=*")
_SEEMS: Final = (
    (rf"{INVITE}.*", "it seems to be an invite"),
    (r"[{\[].*", "it seems to be JSON; give the token in it alone"),
    (r"-----BEGIN .*", "it seems to be PEM, such as a key or a certificate"),
    (r"[a-z][a-z0-9+.-]*://.*", "it seems to be a URL"),
    (
        r"(~|\.{0,2}[/\\]|[a-z]:[/\\])[^\n]*|[^\n]*\.(txt|jwt|json|token|key|pem)",
        "it seems to be the path of a file; give what is in the file",
    ),
)


def seems_to_be(text: str) -> str:
    """Return what a text that is not a JWT seems to be, as a clause; empty for anything else."""
    if not why_not_a_jwt(text):
        return ""
    found = (words for form, words in _SEEMS if re.fullmatch(form, text, re.IGNORECASE | re.DOTALL))
    return next(found, "")


def why_not_a_jwt(text: str) -> str:
    """Return why a text cannot be a signed JWT, as a clause; empty if it can."""
    parts = text.split(".")
    if len(parts) == _PARTS_IF_ENCRYPTED:
        return "it has five parts, as an encrypted JWT has, and a vault reads signed ones alone"
    if len(parts) != _PARTS:
        return "it does not have three parts with dots between them, as a JWT has"
    if not all(map(_BASE64URL.fullmatch, parts)):
        return "its three parts are not the base64url of a JWT"
    try:
        first = parts[0].rstrip("=")
        header = json.loads(urlsafe_b64decode(first + "=" * (-len(first) % 4)))
    except (ValueError, RecursionError):  # ValueError: not base64url, not UTF-8, not JSON
        header = None
    if not isinstance(header, dict):
        return "its first part is not the header of a JWT"
    return ""
