"""Passwords: normalisation before they reach OPAQUE, and how weak they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import precis_i18n
import zxcvbn

from strongroom.errors import PasswordRefused

MAX_SIZE: Final = 1024
"""Bytes of UTF-8 that a password may have."""
GOOD_SCORE: Final = 3
"""zxcvbn's scale goes from 0 to 4; from 3 on it calls a password safely unguessable."""
_ZXCVBN_MAX: Final = 72

_profile = precis_i18n.get_profile("OpaqueString")


def normalise(password: str) -> bytes:
    """Return the password as OPAQUE takes it: OpaqueString (RFC 8265 section 4.2), UTF-8.

    Raises:
        PasswordRefused: it is empty, longer than 1024 bytes, or has forbidden characters.
    """
    try:
        normalised: bytes = _profile.enforce(password).encode()
    except UnicodeError:
        raise PasswordRefused from None  # the UnicodeError holds the password
    if len(normalised) > MAX_SIZE:
        raise PasswordRefused
    return normalised


@dataclass(frozen=True, slots=True)
class Strength:
    """What zxcvbn says of a password: a score from 0 to 4, and why it is weak.

    The vault limits attempts, but a thief of its token and database can guess without a limit.
    """

    score: int
    warning: str

    @property
    def is_good(self) -> bool:
        """Whether the password would stand against guessing without a limit for long."""
        return self.score >= GOOD_SCORE


def strength(password: str) -> Strength:
    """Estimate how hard a password is to guess."""
    estimate = zxcvbn.zxcvbn(password[:_ZXCVBN_MAX])
    return Strength(estimate["score"], estimate["feedback"]["warning"] or "")
