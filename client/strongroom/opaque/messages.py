"""The messages of RFC 9807: one class each. Decoders take the whole input or raise DecodeError."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

from strongroom.opaque.errors import TrailingBytes, WrongLength
from strongroom.opaque.group import Element
from strongroom.opaque.labels import NH, NM, NN, NPK


class Reader:
    """Takes the fields of one message from its bytes, in order."""

    def __init__(self, message: str, data: bytes) -> None:
        self._message = message
        self._rest = data

    def take(self, name: str, size: int) -> bytes:
        """Return the next `size` bytes.

        Raises:
            WrongLength: there are fewer.
        """
        if len(self._rest) < size:
            raise WrongLength(f"{self._message}.{name}", f"{len(self._rest)} of {size} bytes")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def element(self, name: str) -> Element:
        """Return the next 33 bytes as a point."""
        return Element.decode(self.take(name, NPK), f"{self._message}.{name}")

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            TrailingBytes: something is.
        """
        if self._rest:
            raise TrailingBytes(self._message, f"{len(self._rest)} bytes too many")


@dataclass(frozen=True, slots=True)
class RegistrationRequest:
    """RFC 9807 section 5.1, 33 bytes."""

    blinded_message: Element

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("RegistrationRequest", data)
        message = cls(reader.element("blinded_message"))
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 33 bytes."""
        return self.blinded_message.encode()


@dataclass(frozen=True, slots=True)
class RegistrationResponse:
    """RFC 9807 section 5.1, 66 bytes."""

    evaluated_message: Element
    server_public_key: Element

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("RegistrationResponse", data)
        message = cls(reader.element("evaluated_message"), reader.element("server_public_key"))
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 66 bytes."""
        return self.evaluated_message.encode() + self.server_public_key.encode()


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 9807 section 4.1.1, 64 bytes."""

    nonce: bytes
    auth_tag: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("Envelope", data)
        message = cls(reader.take("nonce", NN), reader.take("auth_tag", NM))
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 64 bytes."""
        return self.nonce + self.auth_tag


ENVELOPE_SIZE = NN + NM


@dataclass(frozen=True, slots=True)
class RegistrationRecord:
    """RFC 9807 section 5.1, 129 bytes: what a server keeps."""

    client_public_key: Element
    masking_key: bytes = field(repr=False)
    envelope: Envelope = field(repr=False)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("RegistrationRecord", data)
        message = cls(
            reader.element("client_public_key"),
            reader.take("masking_key", NH),
            Envelope.decode(reader.take("envelope", ENVELOPE_SIZE)),
        )
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 129 bytes."""
        return self.client_public_key.encode() + self.masking_key + self.envelope.encode()


@dataclass(frozen=True, slots=True)
class CredentialRequest:
    """RFC 9807 section 6.3.1, 33 bytes."""

    blinded_message: Element

    def encode(self) -> bytes:
        """Return 33 bytes."""
        return self.blinded_message.encode()


@dataclass(frozen=True, slots=True)
class AuthRequest:
    """RFC 9807 section 6.1, 65 bytes."""

    client_nonce: bytes
    client_public_keyshare: Element

    def encode(self) -> bytes:
        """Return 65 bytes."""
        return self.client_nonce + self.client_public_keyshare.encode()


@dataclass(frozen=True, slots=True)
class KE1:
    """RFC 9807 section 6.1, 98 bytes: the client's first message."""

    credential_request: CredentialRequest
    auth_request: AuthRequest

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("KE1", data)
        request = CredentialRequest(reader.element("blinded_message"))
        nonce = reader.take("client_nonce", NN)
        message = cls(request, AuthRequest(nonce, reader.element("client_public_keyshare")))
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 98 bytes."""
        return self.credential_request.encode() + self.auth_request.encode()


MASKED_RESPONSE_SIZE = NPK + ENVELOPE_SIZE


@dataclass(frozen=True, slots=True)
class CredentialResponse:
    """RFC 9807 section 6.3.1, 162 bytes."""

    evaluated_message: Element
    masking_nonce: bytes
    masked_response: bytes

    def encode(self) -> bytes:
        """Return 162 bytes."""
        return self.evaluated_message.encode() + self.masking_nonce + self.masked_response


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """RFC 9807 section 6.1, 97 bytes."""

    server_nonce: bytes
    server_public_keyshare: Element
    server_mac: bytes

    def encode(self) -> bytes:
        """Return 97 bytes."""
        return self.server_nonce + self.server_public_keyshare.encode() + self.server_mac


@dataclass(frozen=True, slots=True)
class KE2:
    """RFC 9807 section 6.1, 259 bytes: the server's answer."""

    credential_response: CredentialResponse
    auth_response: AuthResponse

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("KE2", data)
        credential_response = CredentialResponse(
            reader.element("evaluated_message"),
            reader.take("masking_nonce", NN),
            reader.take("masked_response", MASKED_RESPONSE_SIZE),
        )
        auth_response = AuthResponse(
            reader.take("server_nonce", NN),
            reader.element("server_public_keyshare"),
            reader.take("server_mac", NM),
        )
        reader.end()
        return cls(credential_response, auth_response)

    def encode(self) -> bytes:
        """Return 259 bytes."""
        return self.credential_response.encode() + self.auth_response.encode()


@dataclass(frozen=True, slots=True)
class KE3:
    """RFC 9807 section 6.1, 32 bytes: the client's proof."""

    client_mac: bytes

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode strictly."""
        reader = Reader("KE3", data)
        message = cls(reader.take("client_mac", NM))
        reader.end()
        return message

    def encode(self) -> bytes:
        """Return 32 bytes."""
        return self.client_mac
