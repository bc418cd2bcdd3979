"""How weak a password is, as zxcvbn estimates it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import zxcvbn

GOOD_SCORE: Final = 3
"""On zxcvbn's scale of 0 to 4; it calls passwords from 3 on safely unguessable."""
_ZXCVBN_MAX: Final = 72
"""Characters; zxcvbn takes ever longer for more."""


@dataclass(frozen=True, slots=True)
class Strength:
    """zxcvbn's verdict: a score from 0 to 4, and why the password is weak.

    The vault limits attempts, but a thief of its token and database can guess without a limit.
    """

    score: int
    warning: str

    @property
    def is_good(self) -> bool:
        """Whether the password would withstand unlimited guessing for long."""
        return self.score >= GOOD_SCORE


def strength(password: str) -> Strength:
    """Estimate how hard a password is to guess."""
    if not password:
        return Strength(0, "")  # zxcvbn fails on it
    estimate = zxcvbn.zxcvbn(password[:_ZXCVBN_MAX])
    return Strength(estimate["score"], estimate["feedback"]["warning"] or "")
