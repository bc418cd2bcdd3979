"""Strict decoding: the fields of a message in order, all of them, and nothing after them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from strongroom_protocol.opaque.errors import TrailingBytes, WrongLength
from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.labels import NPK


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
        value, self._rest = self._rest[:size], self._rest[size:]
        return value

    def element(self, name: str) -> Element:
        """Return the next 33 bytes as a point.

        Raises:
            DecodeError: they are not one.
        """
        return Element.decode(self.take(name, NPK), f"{self._message}.{name}")

    def end(self) -> None:
        """Check that nothing is left.

        Raises:
            TrailingBytes: something is.
        """
        if self._rest:
            raise TrailingBytes(self._message, f"{len(self._rest)} bytes too many")


class Message(ABC):
    """What all messages share: strict decoding in one pass over the bytes."""

    __slots__ = ()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode the whole input.

        Raises:
            DecodeError: a field is not what it should be, or bytes are missing or left over; its
                `field` is the message and the field, as in "KE1.client_nonce".
        """
        reader = Reader(cls.__name__, data)
        message = cls.read(reader)
        reader.end()
        return message

    @classmethod
    @abstractmethod
    def read(cls, reader: Reader) -> Self:
        """Decode the message where it is part of another, and leave the rest."""

    @abstractmethod
    def encode(self) -> bytes:
        """Return the bytes of the message, always as many."""


def require_size(name: str, data: bytes, size: int) -> None:
    """Check that a value has its exact length.

    Raises:
        WrongLength: it does not.
    """
    if len(data) != size:
        raise WrongLength(name, f"{len(data)} bytes instead of {size}")
