"""The jobs of a token worker and their answers: one class for each message.

Each job is typed by its answer. The messages cross a pipe between two processes as msgpack, decoded
strictly by type, so that a worker can hand its parent nothing but these.
"""

from __future__ import annotations

from typing import ClassVar, Generic, Protocol, TypeAlias, TypeVar, get_args

import msgspec

from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.messages import KE1, AuthRequest, CredentialRequest
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.token_settings import TokenSettings

Answer = TypeVar("Answer")


class Job(msgspec.Struct, Generic[Answer], frozen=True, tag=True):
    """A job that is answered with an `Answer`, or with Failed.

    Attributes:
        answer_type: the class of the answer, as a subclass states it: `Job[Ready]`.
        kind: what metrics and traces call it, which dashboards know; the class's name by default.
    """

    answer_type: ClassVar[type]
    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        (base,) = cls.__orig_bases__  # type: ignore[attr-defined]  # Job[...] as it was written
        (cls.answer_type,) = get_args(base)
        cls.kind = vars(cls).get("kind", cls.__name__)


class RunsJobs(Protocol):
    """Has jobs done by the token: `dispatcher.TokenPool`."""

    async def run(self, job: Job[Answer]) -> Answer:
        """Return the answer to a job."""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Answers Hello.

    Attributes:
        identity_public_key: 33 bytes, SEC 1 compressed.
        secrets: HMAC(strongroom.root, label), 32 bytes each, in the order of `labels`.
    """

    identity_public_key: bytes
    secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return "Ready(...)"


class Hello(Job[Ready], frozen=True, tag=True):
    """Opens the token, tests it, and derives what the vault needs once.

    Attributes:
        token: which token.
        labels: what to derive from `strongroom.root`, one secret for each.
    """

    token: TokenSettings
    labels: tuple[str, ...]


class NewRegistration(msgspec.Struct, frozen=True, tag=True):
    """Answers CreateRegistrationResponse.

    Attributes:
        oprf_key: the fresh key.
        registration_response: 66 bytes, RFC 9807 RegistrationResponse.
    """

    oprf_key: StoredOprfKey
    registration_response: bytes


class CreateRegistrationResponse(Job[NewRegistration], frozen=True, tag=True):
    """Makes a fresh OPRF key and evaluates with it for the first time.

    Attributes:
        registration_request: 33 bytes, RFC 9807 RegistrationRequest.
        resident: whether the key stays in the token.
    """

    kind: ClassVar[str] = "StartRegistration"
    registration_request: bytes
    resident: bool = False


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


class GenerateKE2(Job[GeneratedKE2], frozen=True, tag=True):
    """Computes the answer to a charged attempt.

    Attributes:
        blinded_message: of KE1, 65 bytes, SEC 1 uncompressed: decoding it again needs no square
            root.
        client_nonce: of KE1, 32 bytes.
        client_public_keyshare: of KE1, encoded as `blinded_message`.
        oprf_key: the record's OPRF key.
        registration_record: 129 bytes, RFC 9807 RegistrationRecord.
        client_identity: the account, UTF-8.
        server_identity: `strongroom/v1/<vault id>`.
    """

    kind: ClassVar[str] = "StartRecovery"
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
            DecodeError: 65 bytes are not a point of the curve.
        """
        return KE1(
            CredentialRequest(Element.decode_uncompressed(self.blinded_message)),
            AuthRequest(
                self.client_nonce, Element.decode_uncompressed(self.client_public_keyshare)
            ),
        )


class OprfKeys(msgspec.Struct, frozen=True, tag=True):
    """Answers DestroyOprfKey and ListOprfKeys: public keys, 33 bytes each.

    Those destroyed by this job, or those that the token has.
    """

    public_keys: tuple[bytes, ...]


class DestroyOprfKey(Job[OprfKeys], frozen=True, tag=True):
    """Destroys a resident OPRF key. Repeating it is safe.

    Attributes:
        public_key: 33 bytes, which key.
    """

    public_key: bytes


class ListOprfKeys(Job[OprfKeys], frozen=True, tag=True):
    """Lists the resident OPRF keys of the token."""


class WrapKeys(msgspec.Struct, frozen=True, tag=True):
    """Answers the jobs on wrap keys: the numbers of those that the token has, ascending."""

    numbers: tuple[int, ...]


class ListWrapKeys(Job[WrapKeys], frozen=True, tag=True):
    """Lists the `strongroom.wrap` keys of the token."""


class MakeWrapKey(Job[WrapKeys], frozen=True, tag=True):
    """Makes a second wrap key, which wraps from now on. If there are two already, does nothing.

    Refused by a worker that does not see the wrap keys with exactly these numbers.
    """

    numbers: tuple[int, ...]


class DestroyWrapKeys(Job[WrapKeys], frozen=True, tag=True):
    """Destroys the wrap keys with these numbers, never the newest. Repeating it is safe."""

    numbers: tuple[int, ...]


class Rewrapped(msgspec.Struct, frozen=True, tag=True):
    """Answers Rewrap."""

    oprf_key: StoredOprfKey


class Rewrap(Job[Rewrapped], frozen=True, tag=True):
    """Wraps a wrapped OPRF key again, under the newest wrap key."""

    oprf_key: StoredOprfKey


class AnchorIs(msgspec.Struct, frozen=True, tag=True):
    """Answers ReadAnchor and AdvanceAnchor: what the anchor holds now; None if nothing."""

    value: Anchored | None


class ReadAnchor(Job[AnchorIs], frozen=True, tag=True):
    """Reads the token's anchor."""


class AdvanceAnchor(Job[AnchorIs], frozen=True, tag=True):
    """Moves the anchor to `new` if it holds `expected`."""

    expected: Anchored
    new: Anchored


class Failed(msgspec.Struct, frozen=True, tag=True):
    """Answers any job: the token refused it, or gave a wrong result.

    Attributes:
        problem: for a log; contains nothing secret.
        is_session_lost: this worker cannot go on, and exits.
        is_final: another worker would fail the same way; with a wrong PIN, each try would bring the
            token nearer to locking it.
        is_not_found: the token does not find the resident key that the job names.
        hint: what an operator can do about it.
    """

    problem: str
    is_session_lost: bool = False
    is_final: bool = False
    is_not_found: bool = False
    hint: str = ""


AnyJob: TypeAlias = (
    Hello
    | CreateRegistrationResponse
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
"""What the worker decodes."""
AnyAnswer: TypeAlias = (
    Ready | NewRegistration | GeneratedKE2 | OprfKeys | WrapKeys | Rewrapped | AnchorIs | Failed
)
"""What the vault decodes."""
