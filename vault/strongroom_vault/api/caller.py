"""Who makes a call: what the guard hands to a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that a verified access token names; empty for a call that needs none."""

    account: str


STRANGER: Final = Caller("")
