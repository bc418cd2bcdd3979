"""The two operations of a server's private keys, and keys in memory that do them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom_protocol.opaque.group import Scalar
from strongroom_protocol.opaque.labels import DERIVE_DIFFIE_HELLMAN_KEY_PAIR
from strongroom_protocol.opaque.multiplication import Multiplier
from strongroom_protocol.opaque.oprf import derive_key_pair

if TYPE_CHECKING:
    from strongroom_protocol.opaque.group import Element


class OprfKey(Protocol):
    """A server's OPRF key (RFC 9497 section 3.3.1), wherever it rests."""

    def evaluate(self, blinded_element: Element) -> Element:
        """Return the key times `blinded_element`: BlindEvaluate."""
        ...


class AkePrivateKey(Protocol):
    """A private key of 3DH (RFC 9807 section 6.4), wherever it rests."""

    @property
    def public_key(self) -> Element:
        """The key times the generator."""
        ...

    def diffie_hellman(self, peer: Element) -> Element:
        """Return the key times `peer`."""
        ...


class SoftwareOprfKey:
    """An OPRF key in memory."""

    def __init__(self, scalar: Scalar) -> None:
        self._key = Multiplier(scalar)

    @classmethod
    def generate(cls) -> SoftwareOprfKey:
        """Return a fresh random key."""
        return cls(Scalar.random())

    @property
    def public_key(self) -> Element:
        """The key times the generator."""
        return self._key.generator_product

    def evaluate(self, blinded_element: Element) -> Element:
        """Return the key times `blinded_element`: BlindEvaluate."""
        return self._key.multiply(blinded_element)


class SoftwareAkeKey:
    """A 3DH key in memory."""

    def __init__(self, scalar: Scalar) -> None:
        self._key = Multiplier(scalar)

    @classmethod
    def generate(cls) -> SoftwareAkeKey:
        """Return a fresh random key: distributed as one derived from a random seed."""
        return cls(Scalar.random())

    @classmethod
    def derive(cls, seed: bytes) -> SoftwareAkeKey:
        """Return DeriveDiffieHellmanKeyPair(seed), RFC 9807 6.4.1.2; `seed` is 32 bytes."""
        return cls(derive_key_pair(seed, DERIVE_DIFFIE_HELLMAN_KEY_PAIR))

    @property
    def public_key(self) -> Element:
        """The key times the generator."""
        return self._key.generator_product

    def diffie_hellman(self, peer: Element) -> Element:
        """Return the key times `peer`."""
        return self._key.multiply(peer)
