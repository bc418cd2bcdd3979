"""A vault in memory, honest but for what a test makes it answer, and what drives a flow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from strongroom import errors, registration, requests
from strongroom.flows import Party
from strongroom_protocol.answers import RecoveryStarted, RegistrationStarted
from strongroom_protocol.errors import StrongroomError
from strongroom_protocol.opaque import server
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import RFC9106_SECOND
from strongroom_protocol.opaque.messages import KE1, KE3, RegistrationRequest
from strongroom_protocol.opaque.messages import RegistrationRecord as Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.flows import Flow
    from strongroom_protocol.opaque.server import ExpectedKE3

PASSWORD = "correct horse battery staple"
KEY = b"b" * 32
KEY_ID = b"k" * 16
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class LyingVault:
    """An honest vault in memory, but for what `lies` does to an answer, by the request's type."""

    def __init__(self, **lies: Callable[[Any], Any]) -> None:
        self.identity = SoftwareAkeKey.derive(b"i" * 32)
        self.oprf_key = SoftwareOprfKey.generate()
        self.lies = lies
        self.stands_in: dict[str, Callable[[Any], Any]] = {}
        self.asked: list[requests.Request[Any]] = []
        self.record: Record | None = None
        self.sealed = b""
        self.expected: ExpectedKE3 | None = None

    @property
    def info(self) -> requests.VaultInfo:
        key = self.identity.public_key.encode()
        return requests.VaultInfo("vault.test", key, RFC9106_SECOND, 10, 3, 10)

    def GetKey(self, _request: requests.GetKey) -> requests.KeyStatus:
        return requests.ActiveKey(KEY_ID, 10, 10, NOW, None, RFC9106_SECOND)

    @property
    def party(self) -> Party:
        return Party(self.info, "alice")

    def answer(self, request: requests.Request[Any]) -> Any:
        self.asked.append(request)
        name = type(request).__name__
        honest = self.stands_in.get(name, getattr(self, name))(request)
        return self.lies.get(name, lambda answer: answer)(honest)

    def GetVault(self, _request: requests.GetVault) -> requests.VaultInfo:
        return self.info

    def StartRegistration(self, request: requests.StartRegistration) -> RegistrationStarted:
        response = server.create_registration_response(
            RegistrationRequest.decode(request.registration_request),
            self.identity.public_key,
            self.oprf_key,
        )
        return RegistrationStarted(response.encode(), KEY_ID, b"state", RFC9106_SECOND)

    def FinishRegistration(self, request: requests.FinishRegistration) -> requests.Registered:
        self.record = Record.decode(request.registration_record)
        self.sealed = request.sealed_backup_key
        return requests.Registered(KEY_ID, 10, 10, NOW)

    def StartRecovery(self, request: requests.StartRecovery) -> RecoveryStarted:
        assert self.record is not None
        ke1 = KE1.decode(request.ke1)
        ke2, self.expected = server.generate_ke2(
            ke1, self.record, self.identity, self.oprf_key, self.party.identities
        )
        return RecoveryStarted(ke2.encode(), KEY_ID, b"state", 9, RFC9106_SECOND)

    def FinishRecovery(self, request: requests.FinishRecovery) -> bytes:
        assert self.expected is not None
        if request.ke3 != self.expected.client_mac:
            raise errors.WrongPassword(9)
        server.finish(self.expected.client_mac, KE3.decode(request.ke3))
        return self.sealed

    def DeleteKey(self, _request: requests.DeleteKey) -> None:
        self.record = None


def drive(flow: Flow[Any], vault: LyingVault) -> Any:
    try:
        request = next(flow)
        while True:
            try:
                answer = vault.answer(request)
            except StrongroomError as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as stop:
        return stop.value


def protected(**lies: Callable[[Any], Any]) -> LyingVault:
    """A vault that was honest when the key was protected."""
    vault = LyingVault()
    drive(registration.protect(vault.party, PASSWORD, KEY, None), vault)
    vault.lies = lies
    vault.asked.clear()
    return vault
