"""The messages of RFC 9807: one class each. A decoder takes the whole input or raises DecodeError.

Every value has its exact length, however it was made, and encodes to the bytes it was decoded from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from strongroom_protocol.opaque.labels import MASKED_RESPONSE_SIZE, NH, NM, NN
from strongroom_protocol.opaque.wire import Message, Reader, require_size

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element


@dataclass(frozen=True, slots=True)
class RegistrationRequest(Message):
    """Section 5.1, 33 bytes: the client's password, blinded."""

    blinded_message: Element

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.element("blinded_message"))

    def encode(self) -> bytes:
        """Return 33 bytes."""
        return self.blinded_message.encode()


@dataclass(frozen=True, slots=True)
class RegistrationResponse(Message):
    """Section 5.1, 66 bytes: the server's evaluation and its public key."""

    evaluated_message: Element
    server_public_key: Element

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.element("evaluated_message"), reader.element("server_public_key"))

    def encode(self) -> bytes:
        """Return 66 bytes."""
        return self.evaluated_message.encode() + self.server_public_key.encode()


@dataclass(frozen=True, slots=True)
class Envelope(Message):
    """Section 4.1.1, 64 bytes: what binds the client's key to password and identities."""

    nonce: bytes
    auth_tag: bytes

    def __post_init__(self) -> None:
        require_size("Envelope.nonce", self.nonce, NN)
        require_size("Envelope.auth_tag", self.auth_tag, NM)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.take("nonce", NN), reader.take("auth_tag", NM))

    def encode(self) -> bytes:
        """Return 64 bytes."""
        return self.nonce + self.auth_tag


@dataclass(frozen=True, slots=True)
class RegistrationRecord(Message):
    """Section 5.1, 129 bytes: what a server keeps. A guess can be tested against it."""

    client_public_key: Element
    masking_key: bytes = field(repr=False)
    envelope: Envelope = field(repr=False)

    def __post_init__(self) -> None:
        require_size("RegistrationRecord.masking_key", self.masking_key, NH)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        public_key = reader.element("client_public_key")
        return cls(public_key, reader.take("masking_key", NH), Envelope.read(reader))

    def encode(self) -> bytes:
        """Return 129 bytes."""
        return self.client_public_key.encode() + self.masking_key + self.envelope.encode()


@dataclass(frozen=True, slots=True)
class CredentialRequest(Message):
    """Section 6.3.1, 33 bytes: the client's password, blinded."""

    blinded_message: Element

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.element("blinded_message"))

    def encode(self) -> bytes:
        """Return 33 bytes."""
        return self.blinded_message.encode()


@dataclass(frozen=True, slots=True)
class AuthRequest(Message):
    """Section 6.1, 65 bytes: the client's share of the key exchange."""

    client_nonce: bytes
    client_public_keyshare: Element

    def __post_init__(self) -> None:
        require_size("AuthRequest.client_nonce", self.client_nonce, NN)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.take("client_nonce", NN), reader.element("client_public_keyshare"))

    def encode(self) -> bytes:
        """Return 65 bytes."""
        return self.client_nonce + self.client_public_keyshare.encode()


@dataclass(frozen=True, slots=True)
class KE1(Message):
    """Section 6.1, 98 bytes: the client's first message."""

    credential_request: CredentialRequest
    auth_request: AuthRequest

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(CredentialRequest.read(reader), AuthRequest.read(reader))

    def encode(self) -> bytes:
        """Return 98 bytes."""
        return self.credential_request.encode() + self.auth_request.encode()


@dataclass(frozen=True, slots=True)
class CredentialResponse(Message):
    """Section 6.3.1, 162 bytes: the evaluation, and the masked public key and envelope."""

    evaluated_message: Element
    masking_nonce: bytes
    masked_response: bytes

    def __post_init__(self) -> None:
        require_size("CredentialResponse.masking_nonce", self.masking_nonce, NN)
        require_size(
            "CredentialResponse.masked_response", self.masked_response, MASKED_RESPONSE_SIZE
        )

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(
            reader.element("evaluated_message"),
            reader.take("masking_nonce", NN),
            reader.take("masked_response", MASKED_RESPONSE_SIZE),
        )

    def encode(self) -> bytes:
        """Return 162 bytes."""
        return self.evaluated_message.encode() + self.masking_nonce + self.masked_response


@dataclass(frozen=True, slots=True)
class AuthResponse(Message):
    """Section 6.1, 97 bytes: the server's share of the key exchange and its proof."""

    server_nonce: bytes
    server_public_keyshare: Element
    server_mac: bytes

    def __post_init__(self) -> None:
        require_size("AuthResponse.server_nonce", self.server_nonce, NN)
        require_size("AuthResponse.server_mac", self.server_mac, NM)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(
            reader.take("server_nonce", NN),
            reader.element("server_public_keyshare"),
            reader.take("server_mac", NM),
        )

    def encode(self) -> bytes:
        """Return 97 bytes."""
        return self.server_nonce + self.server_public_keyshare.encode() + self.server_mac


@dataclass(frozen=True, slots=True)
class KE2(Message):
    """Section 6.1, 259 bytes: the server's answer."""

    credential_response: CredentialResponse
    auth_response: AuthResponse

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(CredentialResponse.read(reader), AuthResponse.read(reader))

    def encode(self) -> bytes:
        """Return 259 bytes."""
        return self.credential_response.encode() + self.auth_response.encode()


@dataclass(frozen=True, slots=True)
class KE3(Message):
    """Section 6.1, 32 bytes: the client's proof that it knows the password."""

    client_mac: bytes = field(repr=False)

    def __post_init__(self) -> None:
        require_size("KE3.client_mac", self.client_mac, NM)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Decode."""
        return cls(reader.take("client_mac", NM))

    def encode(self) -> bytes:
        """Return 32 bytes."""
        return self.client_mac
