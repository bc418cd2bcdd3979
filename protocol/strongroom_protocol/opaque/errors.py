"""Every way in which OPAQUE fails: one base class, a family for decoding, one class for each proof.

A class says what went wrong, never with a secret. What a person is told, the caller decides.
"""

from __future__ import annotations


class OpaqueError(Exception):
    """Base of all errors of this package."""


class DecodeError(OpaqueError):
    """A value is not the encoding of what it should be (DeserializeError of RFC 9497 section 2.1).

    Attributes:
        field: name of the message field, or of the message itself.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def __reduce__(self) -> tuple[type[DecodeError], tuple[str, str]]:
        """Both arguments, so that the error survives a process boundary."""
        return type(self), (self.field, self.problem)


class WrongLength(DecodeError):
    """The value does not have the length it must have."""


class TrailingBytes(DecodeError):
    """The value goes on after its end."""


class NonCanonicalPoint(DecodeError):
    """The point has another form, or its coordinate is not below the field's prime."""


class PointNotOnCurve(DecodeError):
    """No point of P-256 has these coordinates."""


class IdentityElement(DecodeError):
    """The element is the group's identity, which no key and no message may be."""


class NonCanonicalScalar(DecodeError):
    """The scalar is zero, or not below the group's order."""


class InvalidInput(OpaqueError):
    """An input is too long, an identity empty, or a password cannot be blinded (RFC 9497 3.3.1)."""


class DeriveKeyPairFailed(OpaqueError):
    """No key in 256 tries (RFC 9497 DeriveKeyPairError); never seen."""


class EnvelopeRecoveryError(OpaqueError):
    """The password is wrong, or this is not the server that registered it (RFC 9807 4.1.3)."""


class ServerAuthenticationError(OpaqueError):
    """The server's MAC is not the transcript's (RFC 9807 section 6.4.3)."""


class ClientAuthenticationError(OpaqueError):
    """KE3 is not the transcript's (RFC 9807 section 6.4.4)."""


class KeyMismatch(OpaqueError):
    """Two derivations of one multiplication did not come from the private key of Q."""
