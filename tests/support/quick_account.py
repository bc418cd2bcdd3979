"""Accounts whose client does not stretch: as a vault sees them, like all others, but fast."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final

from raw_client import raw_client

from strongroom.errors import HsmUnavailable
from strongroom.requests import (
    FinishRecovery,
    FinishRegistration,
    StartRecovery,
    StartRegistration,
)
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.messages import KE2, RegistrationResponse

if TYPE_CHECKING:
    from vault_process import VaultProcess

    from strongroom_protocol.answers import RegistrationStarted

RIGHT = b"right"
PATIENCE_S: Final = 60


class QuickAccount:
    """One account and what it last sealed."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.identities = Identities(name.encode(), b"strongroom/v1/vault.test")
        self.sealed = b""

    def begin(self, vault: VaultProcess) -> tuple[FinishRegistration, bytes]:
        """Start a registration; return what would finish it."""
        request, session = client.create_registration_request(RIGHT)
        with raw_client(vault, self.name) as raw:
            started: RegistrationStarted = raw.call(StartRegistration(request.encode()))
        response = RegistrationResponse.decode(started.registration_response)
        record, _ = client.finalize_registration_request(
            session, response, self.identities, _unstretched
        )
        sealed = os.urandom(60)
        return FinishRegistration(started.state, record.encode(), sealed, 0), sealed

    def register(self, vault: VaultProcess) -> None:
        """Register a fresh key."""
        finish, self.sealed = self.begin(vault)
        with raw_client(vault, self.name) as raw:
            raw.call(finish)

    def recover_patiently(self, vault: VaultProcess) -> bytes:
        """Recover, and repeat it while the token is away: of a busy SoftHSM, a session may be."""
        ends_at = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.recover(vault)
            except HsmUnavailable:
                if time.monotonic() > ends_at:
                    raise
                time.sleep(0.1)

    def recover(self, vault: VaultProcess) -> bytes:
        """Return what the vault releases to the right password."""
        ke1, session = client.generate_ke1(RIGHT)
        with raw_client(vault, self.name) as raw:
            started = raw.call(StartRecovery(ke1.encode()))
            ke2 = KE2.decode(started.ke2)
            ke3, _ = client.generate_ke3(session, ke2, self.identities, _unstretched)
            released: bytes = raw.call(FinishRecovery(started.state, ke3.encode()))
        return released


def _unstretched(data: bytes) -> bytes:
    return data
