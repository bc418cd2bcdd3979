"""The hot operations through python-pkcs11, for modules with which `native.py` does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pkcs11 import KDF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.constants import DEFAULT

from strongroom_vault.hsm.token.errors import translated

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.objects import Template, TokenObject
    from strongroom_vault.hsm.token.quirks import Quirks

_COORDINATE_BITS: Final = 256
# python-pkcs11 would add ENCRYPT, WRAP and VERIFY, which SoftHSM refuses for a private key.
_UNWRAPPED: Final[Template] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.DERIVE: True,
    Attribute.ENCRYPT: DEFAULT,
    Attribute.WRAP: DEFAULT,
    Attribute.VERIFY: DEFAULT,
}
# The result of a derivation. The vault reads it, so the token need not keep it secret.
_COORDINATE: Final[Template] = {
    Attribute.PRIVATE: False,
    Attribute.SENSITIVE: False,
    Attribute.EXTRACTABLE: True,
}


class PlainOperations:
    """See `hot_operations.HotOperations`."""

    def __init__(self, wrap_mechanism: Mechanism, quirks: Quirks) -> None:
        self._wrap_mechanism = wrap_mechanism
        self._quirks = quirks

    def key(self, private: TokenObject) -> TokenObject:
        """Return an object of python-pkcs11 as a key."""
        return private

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
        """Whether the token says that the key is sensitive and not extractable."""
        with translated():
            return bool(key[Attribute.SENSITIVE]) and not key[Attribute.EXTRACTABLE]

    def destroy(self, key: TokenObject) -> None:
        """Destroy an object."""
        with translated():
            key.destroy()
