"""What a token worker is asked and what it answers: one class for each message.

The messages cross a pipe between two processes as msgpack, decoded strictly by type, so that a
worker can hand its parent nothing but these.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.messages import KE1, AuthRequest, CredentialRequest
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.token_settings import TokenSettings


class Hello(msgspec.Struct, frozen=True, tag=True):
    """Asks to open the token and for what the vault needs once; known answers are run first.

    Attributes:
        token: which one.
        labels: what to derive from `strongroom.root`, one secret for each.
    """

    token: TokenSettings
    labels: tuple[str, ...]


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Answers Hello.

    Attributes:
        identity_public_key: 33 bytes, SEC 1 compressed.
        secrets: HMAC(strongroom.root, label), 32 bytes each, in the order asked.
    """

    identity_public_key: bytes
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Ready(...)"


class CreateRegistrationResponse(msgspec.Struct, frozen=True, tag=True):
    """Asks for a fresh OPRF key and its first evaluation.

    Attributes:
        registration_request: 33 bytes, RFC 9807 RegistrationRequest.
        resident: whether the key is to rest in the token.
    """

    registration_request: bytes
    resident: bool = False


class NewRegistration(msgspec.Struct, frozen=True, tag=True):
    """Answers CreateRegistrationResponse.

    Attributes:
        oprf_key: the fresh key.
        registration_response: 66 bytes, RFC 9807 RegistrationResponse.
    """

    oprf_key: StoredOprfKey
    registration_response: bytes


class GenerateKE2(msgspec.Struct, frozen=True, tag=True):
    """Asks for the answer to a charged attempt.

    Attributes:
        blinded_message: of KE1, 65 bytes, SEC 1 uncompressed: to decode it again costs no root.
        client_nonce: of KE1, 32 bytes.
        client_public_keyshare: of KE1, as `blinded_message`.
        oprf_key: the record's OPRF key.
        registration_record: 129 bytes, RFC 9807 RegistrationRecord.
        client_identity: the account, UTF-8.
        server_identity: `strongroom/v1/<vault id>`.
    """

    blinded_message: bytes
    client_nonce: bytes
    client_public_keyshare: bytes
    oprf_key: StoredOprfKey
    registration_record: bytes
    client_identity: bytes
    server_identity: bytes

    @classmethod
    def of(
        cls,
        ke1: KE1,
        oprf_key: StoredOprfKey,
        registration_record: bytes,
        client_identity: bytes,
        server_identity: bytes,
    ) -> GenerateKE2:
        """Return the job that answers a KE1."""
        request = ke1.auth_request
        return cls(
            ke1.credential_request.blinded_message.encode_uncompressed(),
            request.client_nonce,
            request.client_public_keyshare.encode_uncompressed(),
            oprf_key,
            registration_record,
            client_identity,
            server_identity,
        )

    def ke1(self) -> KE1:
        """Return the message.

        Raises:
            DecodeError: a point is none.
        """
        return KE1(
            CredentialRequest(Element.decode_uncompressed(self.blinded_message)),
            AuthRequest(
                self.client_nonce, Element.decode_uncompressed(self.client_public_keyshare)
            ),
        )


class GeneratedKE2(msgspec.Struct, frozen=True, tag=True):
    """Answers GenerateKE2.

    Attributes:
        ke2: 259 bytes, RFC 9807 KE2.
        expected_client_mac: 32 bytes, what KE3 must be.
    """

    ke2: bytes
    expected_client_mac: bytes

    def __repr__(self) -> str:
        return "GeneratedKE2(...)"


class DestroyOprfKey(msgspec.Struct, frozen=True, tag=True):
    """Asks to destroy a resident OPRF key. Repeating it is safe.

    Attributes:
        public_key: 33 bytes, which key.
    """

    public_key: bytes


class ListOprfKeys(msgspec.Struct, frozen=True, tag=True):
    """Asks which resident OPRF keys the token has."""


class OprfKeys(msgspec.Struct, frozen=True, tag=True):
    """Answers both: public keys, 33 bytes each, of those destroyed now or of those there."""

    public_keys: tuple[bytes, ...]


class ListWrapKeys(msgspec.Struct, frozen=True, tag=True):
    """Asks which `strongroom.wrap` keys the token has."""


class MakeWrapKey(msgspec.Struct, frozen=True, tag=True):
    """Asks for a second wrap key, which wraps from now on. Where there are two, nothing is made."""


class DestroyWrapKeys(msgspec.Struct, frozen=True, tag=True):
    """Asks to destroy the wrap keys with these numbers, never the newest. Repeating it is safe."""

    numbers: tuple[int, ...]


class WrapKeys(msgspec.Struct, frozen=True, tag=True):
    """Answers the three: the numbers of the wrap keys there are, ascending."""

    numbers: tuple[int, ...]


class Rewrap(msgspec.Struct, frozen=True, tag=True):
    """Asks for a wrapped OPRF key under the newest wrap key."""

    oprf_key: StoredOprfKey


class Rewrapped(msgspec.Struct, frozen=True, tag=True):
    """Answers Rewrap."""

    oprf_key: StoredOprfKey


class ReadAnchor(msgspec.Struct, frozen=True, tag=True):
    """Asks what the token's anchor remembers."""


class AdvanceAnchor(msgspec.Struct, frozen=True, tag=True):
    """Asks the anchor to remember `new` instead of `expected`."""

    expected: Anchored
    new: Anchored


class AnchorIs(msgspec.Struct, frozen=True, tag=True):
    """Answers both: what the anchor remembers now; None where it remembers nothing."""

    value: Anchored | None


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The token refused, or answered nonsense.

    Attributes:
        problem: what a log may say: nothing secret.
        is_session_lost: this worker is of no more use and ends.
        is_final: another worker would fail the same way; with a wrong PIN, each try would bring the
            token nearer to locking it.
        is_not_found: the token does not find the resident key that the job names.
        hint: what an operator may do about it.
    """

    problem: str
    is_session_lost: bool = False
    is_final: bool = False
    is_not_found: bool = False
    hint: str = ""


Request: TypeAlias = (
    CreateRegistrationResponse
    | GenerateKE2
    | DestroyOprfKey
    | ListOprfKeys
    | ListWrapKeys
    | MakeWrapKey
    | DestroyWrapKeys
    | Rewrap
    | ReadAnchor
    | AdvanceAnchor
)
Job: TypeAlias = Hello | Request
Answer: TypeAlias = (
    Ready | NewRegistration | GeneratedKE2 | OprfKeys | WrapKeys | Rewrapped | AnchorIs | Failed
)
