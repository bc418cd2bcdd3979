"""Numbers and structures of PKCS#11 2.40 that `native.py` needs, laid out as on Linux."""

from __future__ import annotations

import ctypes
from ctypes import c_char_p, c_ubyte, c_ulong, c_void_p
from typing import Final

CKA_CLASS: Final = 0x000
CKA_TOKEN: Final = 0x001
CKA_PRIVATE: Final = 0x002
CKA_VALUE: Final = 0x011
CKA_KEY_TYPE: Final = 0x100
CKA_SENSITIVE: Final = 0x103
CKA_DERIVE: Final = 0x10C
CKA_VALUE_LEN: Final = 0x161
CKA_EXTRACTABLE: Final = 0x162
CKO_PRIVATE_KEY: Final = 3
CKO_SECRET_KEY: Final = 4
CKK_EC: Final = 0x003
CKK_GENERIC_SECRET: Final = 0x010
CKM_ECDH1_DERIVE: Final = 0x1050
CKD_NULL: Final = 1
SESSION_INFO_SIZE: Final = 64
"""More than a CK_SESSION_INFO takes."""
# As in `errors.py`.
SESSION_LOST: Final = {
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


class Attribute(ctypes.Structure):
    """CK_ATTRIBUTE."""

    _fields_ = (("type", c_ulong), ("value", c_void_p), ("size", c_ulong))


class Mechanism(ctypes.Structure):
    """CK_MECHANISM."""

    _fields_ = (("type", c_ulong), ("parameter", c_void_p), ("size", c_ulong))


class EcdhParameter(ctypes.Structure):
    """CK_ECDH1_DERIVE_PARAMS."""

    _fields_ = (
        ("kdf", c_ulong),
        ("shared_size", c_ulong),
        ("shared", c_void_p),
        ("public_size", c_ulong),
        ("public", c_char_p),
    )


class FunctionList(ctypes.Structure):
    """CK_FUNCTION_LIST."""

    _fields_ = (("version", c_ubyte * 2), ("functions", c_void_p * 68))


# Places in CK_FUNCTION_LIST, counted from C_Initialize, and the functions' arguments.
GET_SESSION_INFO: Final = (15, ctypes.CFUNCTYPE(c_ulong, c_ulong, c_void_p))
DESTROY_OBJECT: Final = (22, ctypes.CFUNCTYPE(c_ulong, c_ulong, c_ulong))
GET_ATTRIBUTE_VALUE: Final = (
    24,
    ctypes.CFUNCTYPE(c_ulong, c_ulong, c_ulong, c_void_p, c_ulong),
)
UNWRAP_KEY: Final = (
    61,
    ctypes.CFUNCTYPE(
        c_ulong, c_ulong, c_void_p, c_ulong, c_char_p, c_ulong, c_void_p, c_ulong, c_void_p
    ),
)
DERIVE_KEY: Final = (
    62,
    ctypes.CFUNCTYPE(c_ulong, c_ulong, c_void_p, c_ulong, c_void_p, c_ulong, c_void_p),
)


class Template:
    """Attributes as C wants them, made once."""

    def __init__(self, values: dict[int, int | bool]) -> None:
        self._values = [
            c_ubyte(value) if isinstance(value, bool) else c_ulong(value)
            for value in values.values()
        ]
        self.size = len(values)
        self.attributes = (Attribute * self.size)()
        for place, (name, value) in enumerate(zip(values, self._values, strict=True)):
            self.attributes[place] = Attribute(name, ctypes.addressof(value), ctypes.sizeof(value))
