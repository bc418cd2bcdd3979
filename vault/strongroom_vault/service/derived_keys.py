"""The secrets that are derived from the token at start, each for its one use."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from strongroom_protocol import labels
from strongroom_vault.ledger.journal import LedgerKeys
from strongroom_vault.records.sealing import Sealer

if TYPE_CHECKING:
    from collections.abc import Mapping


class Keys:
    """Takes HMAC(strongroom.root, label), 32 bytes, for each of `labels.DERIVED_KEYS`."""

    def __init__(self, derived: Mapping[str, bytes]) -> None:
        self._pseudonym = derived[labels.ACCOUNT_PSEUDONYM]
        self.ledger = LedgerKeys(derived[labels.RECORD_SEALING], derived[labels.HEAD])
        self.registration_states = Sealer(derived[labels.REGISTRATION_STATE])
        self.recovery_states = Sealer(derived[labels.RECOVERY_STATE])

    def record_id(self, account: str) -> bytes:
        """Return the 32-byte pseudonym under which the account's record is kept."""
        return hmac.digest(self._pseudonym, account.encode(), "sha256")
