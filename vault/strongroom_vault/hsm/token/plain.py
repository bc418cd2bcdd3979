"""The hot operations through python-pkcs11, for modules that `native.py` cannot be used with."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from pkcs11 import KDF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.constants import DEFAULT
from pkcs11.exceptions import (
    DeviceError,
    DeviceMemory,
    DeviceRemoved,
    HostMemory,
    KeyHandleInvalid,
    ObjectHandleInvalid,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    TokenNotRecognised,
    UserNotLoggedIn,
)

from strongroom_vault.hsm.token.interface import TokenError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.hsm.token.quirks import Quirks
    from strongroom_vault.hsm.token.vault_keys import TokenObject

_SESSION_LOST: Final = (
    DeviceError,
    DeviceMemory,
    DeviceRemoved,
    HostMemory,
    KeyHandleInvalid,
    ObjectHandleInvalid,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    TokenNotRecognised,
    UserNotLoggedIn,
)
_COORDINATE_BITS: Final = 256
# python-pkcs11 would add ENCRYPT, WRAP and VERIFY, which SoftHSM refuses for a private key.
_UNWRAPPED: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.DERIVE: True,
    Attribute.ENCRYPT: DEFAULT,
    Attribute.WRAP: DEFAULT,
    Attribute.VERIFY: DEFAULT,
}
# The answer of a derivation: the vault reads it, so it is no secret of the token's.
_COORDINATE: Final = {
    Attribute.PRIVATE: False,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
}


KeyHandle: TypeAlias = Any
"""Whatever `key` and `unwrap` of the same HotOperations return."""


class HotOperations(Protocol):
    """What a recovery does with keys in the token. Every method raises TokenError."""

    def key(self, found: TokenObject) -> KeyHandle:
        """Return an object of python-pkcs11 as a key."""

    def unwrap(self, wrapping_key: TokenObject, wrapped: bytes, point: bytes) -> KeyHandle:
        """Unwrap an EC private key, whose public point is 65 bytes, as a session object."""

    def multiply(self, key: KeyHandle, point: bytes) -> bytes:
        """Return the x coordinate, 32 bytes, of the key times a point (65 bytes, uncompressed)."""

    def is_non_extractable(self, key: KeyHandle) -> bool:
        """Whether the token says that it would not let the key out."""

    def destroy(self, key: KeyHandle) -> None:
        """Destroy an object."""


class PlainOperations:
    """See `HotOperations`."""

    def __init__(self, wrap_mechanism: Mechanism, quirks: Quirks) -> None:
        self._wrap_mechanism = wrap_mechanism
        self._quirks = quirks

    def key(self, found: TokenObject) -> TokenObject:
        """Return an object of python-pkcs11 as a key."""
        return found

    def unwrap(
        self,
        wrapping_key: TokenObject,
        wrapped: bytes,
        point: bytes,
        *,
        is_extractable: bool = False,
    ) -> TokenObject:
        """Unwrap an EC private key as a session object, which may be wrapped if extractable."""
        template = {**_UNWRAPPED, Attribute.EXTRACTABLE: is_extractable}
        if self._quirks.point_to_unwrap is not None:
            template[self._quirks.point_to_unwrap] = point
        with translated():
            return wrapping_key.unwrap_key(
                ObjectClass.PRIVATE_KEY,
                KeyType.EC,
                wrapped,
                mechanism=self._wrap_mechanism,
                store=False,
                template=template,
            )

    def multiply(self, key: TokenObject, point: bytes) -> bytes:
        """Return the x coordinate of the key times a point."""
        with translated():
            secret = key.derive_key(
                KeyType.GENERIC_SECRET,
                _COORDINATE_BITS,
                mechanism=Mechanism.ECDH1_DERIVE,
                mechanism_param=(KDF.NULL, None, point),
                store=False,
                template=_COORDINATE,
            )
            try:
                return bytes(secret[Attribute.VALUE])
            finally:
                secret.destroy()

    def is_non_extractable(self, key: TokenObject) -> bool:
        """Whether the token says that it would not let the key out."""
        with translated():
            return bool(key[Attribute.SENSITIVE]) and not key[Attribute.EXTRACTABLE]

    def destroy(self, key: TokenObject) -> None:
        """Destroy an object."""
        with translated():
            key.destroy()


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of python-pkcs11 into TokenError."""
    try:
        yield
    except PKCS11Error as error:
        is_lost = isinstance(error, _SESSION_LOST)
        raise TokenError(type(error).__name__, is_session_lost=is_lost) from error
