"""Who makes a call: what the guard hands to the service in place of gRPC's context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Caller:
    """The account that a verified access token names; empty for a call that needs none."""

    account: str


ANONYMOUS: Final = Caller("")
