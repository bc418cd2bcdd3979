"""Single calls to a vault, without the client's repetitions: what an adversary would send."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc

from strongroom.errors import VaultBusy
from strongroom.passwords import normalise
from strongroom.requests import FinishRecovery, Request, StartRecovery
from strongroom.status import error_of
from strongroom.wire import decode, encode
from strongroom_protocol.opaque import client
from strongroom_protocol.opaque.messages import KE2
from strongroom_protocol.v1 import vault_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vault_process import VaultProcess

    from strongroom.flows import Party
    from strongroom_protocol.answers import RecoveryStarted
    from strongroom_protocol.opaque.client import LoginSession


@dataclass(frozen=True, slots=True)
class Guess:
    """A password guess: KE1 and what finishing it needs."""

    call: StartRecovery
    session: LoginSession

    @classmethod
    def of(cls, password: str) -> Guess:
        """A fresh guess."""
        ke1, session = client.generate_ke1(normalise(password))
        return cls(StartRecovery(ke1.encode()), session)

    def finish(self, party: Party, started: RecoveryStarted) -> FinishRecovery:
        """The proof, for the right password."""
        ke2 = KE2.decode(started.ke2)
        ke3, _ = client.generate_ke3(self.session, ke2, party.identities, started.stretching)
        return FinishRecovery(started.state, ke3.encode())


class RawClient:
    """One connection; each call is sent once."""

    def __init__(self, channel: grpc.Channel, access_token: str) -> None:
        self._stub = vault_pb2_grpc.BackupKeyVaultStub(channel)
        self._metadata = (("authorization", f"Bearer {access_token}"),)

    def call(self, request: Request[Any], timeout: float = 30.0) -> Any:
        """Send once; a refusal is raised as the client's error."""
        method = getattr(self._stub, type(request).__name__)
        try:
            return decode(method(encode(request), timeout=timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            raise error_of(error)[0] from error

    def insist(self, request: Request[Any]) -> Any:
        """Send until the vault, which has many of this account's calls, takes this one."""
        while True:
            try:
                return self.call(request)
            except VaultBusy:
                time.sleep(0.01)


@contextmanager
def raw_client(
    vault: VaultProcess, account: str = "alice", *, token: str | None = None
) -> Iterator[RawClient]:
    """A connection of an account, or with any access token."""
    roots = grpc.ssl_channel_credentials(vault.folder.certificate.read_bytes())
    options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
    with grpc.secure_channel(vault.address, roots, options=options) as channel:
        yield RawClient(channel, token or vault.folder.access_token(account))
