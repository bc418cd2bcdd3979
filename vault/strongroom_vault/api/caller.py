"""Who makes a call: what the guard hands to a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that an access token names, verified; empty for a call that needs no token."""

    account: str


STRANGER: Final = Caller("")
