"""One registered account with its server, in memory: the stage for tests of OPAQUE."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol.opaque import client, server
from strongroom_protocol.opaque.envelope import Identities
from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.keys import SoftwareAkeKey, SoftwareOprfKey
from strongroom_protocol.opaque.ksf import identity

if TYPE_CHECKING:
    from strongroom_protocol.opaque.ksf import Stretch
    from strongroom_protocol.opaque.messages import KE1, KE2

PASSWORD: Final = b"correct horse battery staple"
IDENTITIES: Final = Identities(b"account", b"strongroom/v1/vault")


class World:
    """A server with fresh keys and one record.

    Attributes:
        record: what the server keeps.
        export_key: what the client had from the registration.
    """

    def __init__(
        self,
        password: bytes = PASSWORD,
        identities: Identities = IDENTITIES,
        stretch: Stretch = identity,
        server_key: SoftwareAkeKey | None = None,
    ) -> None:
        self.password = password
        self.identities = identities
        self.stretch = stretch
        self.server_key = server_key or SoftwareAkeKey(Scalar.random())
        self.oprf_key = SoftwareOprfKey.generate()
        request, session = client.create_registration_request(password)
        response = server.create_registration_response(
            request, self.server_key.public_key, self.oprf_key
        )
        self.record, self.export_key = client.finalize_registration_request(
            session, response, identities, stretch
        )

    def answer(self, ke1: KE1, context: bytes = b"") -> tuple[KE2, server.ExpectedKE3]:
        """The server's KE2."""
        return server.generate_ke2(
            ke1, self.record, self.server_key, self.oprf_key, self.identities, context=context
        )

    def login(self, password: bytes | None = None) -> tuple[client.LoginResult, bytes]:
        """A whole login: the client's result and the server's session key."""
        ke1, session = client.generate_ke1(self.password if password is None else password)
        ke2, expected = self.answer(ke1)
        ke3, result = client.generate_ke3(session, ke2, self.identities, self.stretch)
        server.finish(expected.client_mac, ke3)
        return result, expected.session_key
