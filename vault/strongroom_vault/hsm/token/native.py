"""The hot operations straight on the module's function list: unwrap, multiply, destroy.

python-pkcs11 reads ten attributes and makes a class for every object that a call returns, which
costs as much as half of what the token itself does in a recovery. Everything else stays with it;
handles are the same numbers in both. `docs/performance.md` has the figures.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_ulong
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import StrongroomVaultError
from strongroom_vault.hsm.token import cryptoki as ck
from strongroom_vault.hsm.token.errors import TokenError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.objects import TokenObject

_COORDINATE_SIZE: Final = 32
_POINT_SIZE: Final = 65


class NotOurInstance(StrongroomVaultError):
    """The module gives each caller an instance of its own, as p11-kit's proxy does."""


class NativeOperations:
    """See `hot_operations.HotOperations`: over an open session of a module loaded already."""

    def __init__(self, module: str, session: int, wrap_mechanism: int) -> None:
        """Find the functions.

        Args:
            module: path of the PKCS#11 module.
            session: the handle of an open session that is logged in.
            wrap_mechanism: how OPRF keys are wrapped, a CKM number.

        Raises:
            NotOurInstance: the functions found do not know the session.
        """
        library = ctypes.CDLL(module)
        function_list = POINTER(ck.FunctionList)()
        _must("C_GetFunctionList", library.C_GetFunctionList(byref(function_list)))
        functions = function_list.contents.functions
        session_info, destroy, get_attribute_value, unwrap, derive = (
            kind(functions[place])
            for place, kind in (
                ck.GET_SESSION_INFO,
                ck.DESTROY_OBJECT,
                ck.GET_ATTRIBUTE_VALUE,
                ck.UNWRAP_KEY,
                ck.DERIVE_KEY,
            )
        )
        # Asked before anything is done: in an instance of its own, as p11-kit's proxy gives one,
        # our handles mean nothing.
        if session_info(session, ctypes.create_string_buffer(ck.SESSION_INFO_SIZE)) != 0:
            raise NotOurInstance(module)
        self._library = library
        self._session = session
        self._destroy = destroy
        self._get_attribute_value = get_attribute_value
        self._unwrap = unwrap
        self._derive = derive
        self._wrap_mechanism = ck.Mechanism(wrap_mechanism, None, 0)
        self._private_key = ck.Template(
            {
                ck.CKA_CLASS: ck.CKO_PRIVATE_KEY,
                ck.CKA_KEY_TYPE: ck.CKK_EC,
                ck.CKA_TOKEN: False,
                ck.CKA_PRIVATE: True,
                ck.CKA_SENSITIVE: True,
                ck.CKA_EXTRACTABLE: False,
                ck.CKA_DERIVE: True,
            }
        )
        # The result of a derivation. The vault reads it, so the token need not keep it secret.
        self._coordinate = ck.Template(
            {
                ck.CKA_CLASS: ck.CKO_SECRET_KEY,
                ck.CKA_KEY_TYPE: ck.CKK_GENERIC_SECRET,
                ck.CKA_VALUE_LEN: _COORDINATE_SIZE,
                ck.CKA_TOKEN: False,
                ck.CKA_PRIVATE: False,
                ck.CKA_SENSITIVE: False,
                ck.CKA_EXTRACTABLE: True,
            }
        )
        self._parameter = ck.EcdhParameter(ck.CKD_NULL, 0, None, _POINT_SIZE, None)
        self._ecdh = ck.Mechanism(
            ck.CKM_ECDH1_DERIVE,
            ctypes.addressof(self._parameter),
            ctypes.sizeof(self._parameter),
        )
        self._handle = c_ulong()
        self._x = ctypes.create_string_buffer(_COORDINATE_SIZE)

    def key(self, private: TokenObject) -> int:
        """Return the handle of an object."""
        return private.handle

    def unwrap(self, wrapping_key: TokenObject, wrapped: bytes, _point: bytes) -> int:
        """Unwrap an EC private key as a session object; return its handle.

        Raises:
            TokenError: the token refuses.
        """
        template = self._private_key
        _must(
            "C_UnwrapKey",
            self._unwrap(
                self._session,
                byref(self._wrap_mechanism),
                wrapping_key.handle,
                wrapped,
                len(wrapped),
                template.attributes,
                template.size,
                byref(self._handle),
            ),
        )
        return self._handle.value

    def multiply(self, key: int, point: bytes) -> bytes:
        """Return the x coordinate, 32 bytes, of the key times a point (65 bytes, uncompressed).

        Raises:
            TokenError: the token refuses.
        """
        self._parameter.public = point
        template = self._coordinate
        _must(
            "C_DeriveKey",
            self._derive(
                self._session,
                byref(self._ecdh),
                key,
                template.attributes,
                template.size,
                byref(self._handle),
            ),
        )
        secret = self._handle.value
        # On every path: results that stay would fill the token's memory.
        try:
            return self._read(secret, ck.CKA_VALUE, self._x)
        finally:
            self.destroy(secret)

    def is_non_extractable(self, key: int) -> bool:
        """Whether the token says that the key is sensitive and not extractable."""
        return self._flag(key, ck.CKA_SENSITIVE) and not self._flag(key, ck.CKA_EXTRACTABLE)

    def destroy(self, key: int) -> None:
        """Destroy an object.

        Raises:
            TokenError: the token refuses.
        """
        _must("C_DestroyObject", self._destroy(self._session, key))

    def _flag(self, handle: int, attribute: int) -> bool:
        return self._read(handle, attribute, ctypes.create_string_buffer(1)) != b"\0"

    def _read(self, handle: int, attribute: int, buffer: ctypes.Array[ctypes.c_char]) -> bytes:
        wanted = ck.Attribute(attribute, ctypes.addressof(buffer), len(buffer))
        answer = self._get_attribute_value(self._session, handle, byref(wanted), 1)
        _must("C_GetAttributeValue", answer)
        if wanted.size != len(buffer):
            raise TokenError(f"C_GetAttributeValue: {wanted.size} bytes, not {len(buffer)}")
        return buffer.raw


def _must(call: str, answer: int) -> None:
    if answer != 0:
        raise TokenError(f"{call}: CKR 0x{answer:x}", is_session_lost=answer in ck.SESSION_LOST)
