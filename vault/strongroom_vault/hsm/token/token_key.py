"""A private key in the token, as OPAQUE uses it: a point goes in, a point comes out.

PKCS#11 multiplies points only as CKM_ECDH1_DERIVE with CKD_NULL, which gives x coordinates;
`multiply_by_ecdh` derives twice and computes y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from strongroom_protocol.opaque.errors import DecodeError, KeyMismatch
from strongroom_protocol.opaque.group import Element
from strongroom_protocol.opaque.multiplication import multiply_by_ecdh
from strongroom_vault.hsm.token.errors import TokenError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.hot_operations import HotOperations, KeyHandle

_DER_OCTET_STRING: Final = b"\x04\x41"


class TokenKey:
    """A P-256 private key in the token: an OprfKey and an AkePrivateKey of `opaque/keys.py`."""

    def __init__(self, hot: HotOperations, key: KeyHandle, public_key: Element) -> None:
        self._hot = hot
        self._key = key
        self.public_key = public_key

    def evaluate(self, blinded_element: Element) -> Element:
        """Return the key times `blinded_element`: RFC 9497 BlindEvaluate.

        Raises:
            TokenError: the token refuses, or answers for another key.
        """
        try:
            return multiply_by_ecdh(self.public_key, blinded_element, self._ecdh)
        except (KeyMismatch, DecodeError) as error:
            raise TokenError(str(error)) from error

    def diffie_hellman(self, peer: Element) -> Element:
        """Return the key times `peer`."""
        return self.evaluate(peer)

    @property
    def is_non_extractable(self) -> bool:
        """Whether the token says that the key is sensitive and not extractable."""
        return self._hot.is_non_extractable(self._key)

    def _ecdh(self, point: Element) -> bytes:
        return self._hot.multiply(self._key, point.encode_uncompressed())


def decode_ec_point(value: bytes) -> Element:
    """Return the point of a CKA_EC_POINT: a DER OCTET STRING around 04 X Y, or 04 X Y alone.

    Raises:
        TokenError: the value is neither.
    """
    raw = value.removeprefix(_DER_OCTET_STRING) if value[1:2] == b"\x41" else value
    try:
        return Element.decode_uncompressed(raw, "CKA_EC_POINT")
    except DecodeError as error:
        raise TokenError(f"the token gives an invalid public key: {error}") from error
