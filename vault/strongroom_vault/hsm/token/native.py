"""The hot operations straight on the module's function list: unwrap, multiply, destroy.

python-pkcs11 reads ten attributes and makes a class for every object that a call returns, which
costs as much as half of what the token itself does in a recovery. Everything else stays with it;
handles are the same numbers in both. `docs/performance.md` has the figures.

Names and numbers are those of PKCS#11 2.40; structures are laid out as on Linux.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p
from typing import TYPE_CHECKING, Final

from strongroom_vault.errors import StrongroomVaultError
from strongroom_vault.hsm.token.interface import TokenError

if TYPE_CHECKING:
    from strongroom_vault.hsm.token.vault_keys import TokenObject

_CKA_CLASS: Final = 0x000
_CKA_TOKEN: Final = 0x001
_CKA_PRIVATE: Final = 0x002
_CKA_VALUE: Final = 0x011
_CKA_KEY_TYPE: Final = 0x100
_CKA_SENSITIVE: Final = 0x103
_CKA_DERIVE: Final = 0x10C
_CKA_VALUE_LEN: Final = 0x161
_CKA_EXTRACTABLE: Final = 0x162
_CKO_PRIVATE_KEY: Final = 3
_CKO_SECRET_KEY: Final = 4
_CKK_EC: Final = 0x003
_CKK_GENERIC_SECRET: Final = 0x010
_CKM_ECDH1_DERIVE: Final = 0x1050
_CKD_NULL: Final = 1
_COORDINATE_SIZE: Final = 32
_POINT_SIZE: Final = 65
_SESSION_INFO_SIZE: Final = 64
"""More than a CK_SESSION_INFO takes."""
# Some modules say that a handle is invalid when their device is back, and mean all handles.
_SESSION_LOST: Final = {
    0x002,  # CKR_HOST_MEMORY
    0x030,  # CKR_DEVICE_ERROR
    0x031,  # CKR_DEVICE_MEMORY
    0x032,  # CKR_DEVICE_REMOVED
    0x060,  # CKR_KEY_HANDLE_INVALID
    0x082,  # CKR_OBJECT_HANDLE_INVALID
    0x0B0,  # CKR_SESSION_CLOSED
    0x0B3,  # CKR_SESSION_HANDLE_INVALID
    0x0E0,  # CKR_TOKEN_NOT_PRESENT
    0x0E1,  # CKR_TOKEN_NOT_RECOGNIZED
    0x101,  # CKR_USER_NOT_LOGGED_IN
}


class _Attribute(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("value", c_void_p), ("size", c_ulong))


class _Mechanism(ctypes.Structure):
    _fields_ = (("type", c_ulong), ("parameter", c_void_p), ("size", c_ulong))


class _EcdhParameter(ctypes.Structure):
    _fields_ = (
        ("kdf", c_ulong),
        ("shared_size", c_ulong),
        ("shared", c_void_p),
        ("public_size", c_ulong),
        ("public", c_char_p),
    )


class _FunctionList(ctypes.Structure):
    _fields_ = (("version", c_ubyte * 2), ("functions", c_void_p * 68))


# Places in CK_FUNCTION_LIST, counted from C_Initialize, and the functions' arguments.
_GET_SESSION_INFO: Final = (14, ctypes.CFUNCTYPE(c_ulong, c_ulong, c_void_p))
_DESTROY_OBJECT: Final = (22, ctypes.CFUNCTYPE(c_ulong, c_ulong, c_ulong))
_GET_ATTRIBUTE_VALUE: Final = (
    24,
    ctypes.CFUNCTYPE(c_ulong, c_ulong, c_ulong, c_void_p, c_ulong),
)
_UNWRAP_KEY: Final = (
    61,
    ctypes.CFUNCTYPE(
        c_ulong, c_ulong, c_void_p, c_ulong, c_char_p, c_ulong, c_void_p, c_ulong, c_void_p
    ),
)
_DERIVE_KEY: Final = (
    62,
    ctypes.CFUNCTYPE(c_ulong, c_ulong, c_void_p, c_ulong, c_void_p, c_ulong, c_void_p),
)


class NotOurInstance(StrongroomVaultError):
    """The module gives each caller an instance of its own, as p11-kit's proxy does."""


class NativeOperations:
    """See `plain.HotOperations`: over one open session of a module that is loaded already."""

    def __init__(self, module: str, session: int, wrap_mechanism: int) -> None:
        """Find the functions.

        Args:
            module: path of the PKCS#11 module.
            session: the handle of an open session that is logged in.
            wrap_mechanism: how OPRF keys are wrapped, a CKM number.

        Raises:
            NotOurInstance: the session is none of the functions found.
        """
        library = ctypes.CDLL(module)
        found = POINTER(_FunctionList)()
        _must("C_GetFunctionList", library.C_GetFunctionList(byref(found)))
        functions = found.contents.functions
        session_info, destroy, get_attribute_value, unwrap, derive = (
            kind(functions[place])
            for place, kind in (
                _GET_SESSION_INFO,
                _DESTROY_OBJECT,
                _GET_ATTRIBUTE_VALUE,
                _UNWRAP_KEY,
                _DERIVE_KEY,
            )
        )
        if session_info(session, ctypes.create_string_buffer(_SESSION_INFO_SIZE)) != 0:
            raise NotOurInstance(module)
        self._library = library
        self._session = session
        self._destroy = destroy
        self._get_attribute_value = get_attribute_value
        self._unwrap = unwrap
        self._derive = derive
        self._wrap_mechanism = _Mechanism(wrap_mechanism, None, 0)
        self._private_key = _Template(
            {
                _CKA_CLASS: _CKO_PRIVATE_KEY,
                _CKA_KEY_TYPE: _CKK_EC,
                _CKA_TOKEN: False,
                _CKA_PRIVATE: True,
                _CKA_SENSITIVE: True,
                _CKA_EXTRACTABLE: False,
                _CKA_DERIVE: True,
            }
        )
        # The answer of a derivation: the vault reads it, so it is no secret of the token's.
        self._coordinate = _Template(
            {
                _CKA_CLASS: _CKO_SECRET_KEY,
                _CKA_KEY_TYPE: _CKK_GENERIC_SECRET,
                _CKA_VALUE_LEN: _COORDINATE_SIZE,
                _CKA_TOKEN: False,
                _CKA_PRIVATE: False,
                _CKA_SENSITIVE: False,
                _CKA_EXTRACTABLE: True,
            }
        )
        self._parameter = _EcdhParameter(_CKD_NULL, 0, None, _POINT_SIZE, None)
        self._ecdh = _Mechanism(
            _CKM_ECDH1_DERIVE,
            ctypes.addressof(self._parameter),
            ctypes.sizeof(self._parameter),
        )
        self._handle = c_ulong()
        self._x = ctypes.create_string_buffer(_COORDINATE_SIZE)

    def key(self, found: TokenObject) -> int:
        """Return the handle of an object."""
        handle: int = found.handle
        return handle

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
        try:
            return self._read(secret, _CKA_VALUE, self._x)
        finally:
            self.destroy(secret)

    def is_non_extractable(self, key: int) -> bool:
        """Whether the token says that it would not let the key out."""
        return self._flag(key, _CKA_SENSITIVE) and not self._flag(key, _CKA_EXTRACTABLE)

    def destroy(self, key: int) -> None:
        """Destroy an object.

        Raises:
            TokenError: the token refuses.
        """
        _must("C_DestroyObject", self._destroy(self._session, key))

    def _flag(self, handle: int, attribute: int) -> bool:
        return self._read(handle, attribute, ctypes.create_string_buffer(1)) != b"\0"

    def _read(self, handle: int, attribute: int, buffer: ctypes.Array[ctypes.c_char]) -> bytes:
        asked = _Attribute(attribute, ctypes.addressof(buffer), len(buffer))
        answer = self._get_attribute_value(self._session, handle, byref(asked), 1)
        _must("C_GetAttributeValue", answer)
        if asked.size != len(buffer):
            raise TokenError(f"C_GetAttributeValue: {asked.size} bytes, not {len(buffer)}")
        return buffer.raw


class _Template:
    """Attributes as C wants them, made once."""

    def __init__(self, values: dict[int, int | bool]) -> None:
        self._values = [
            c_ubyte(value) if isinstance(value, bool) else c_ulong(value)
            for value in values.values()
        ]
        self.size = len(values)
        self.attributes = (_Attribute * self.size)()
        for place, (name, value) in enumerate(zip(values, self._values, strict=True)):
            self.attributes[place] = _Attribute(name, ctypes.addressof(value), ctypes.sizeof(value))


def _must(call: str, answer: int) -> None:
    if answer != 0:
        raise TokenError(f"{call}: CKR 0x{answer:x}", is_session_lost=answer in _SESSION_LOST)
