"""P-256 by OpenSSL's libcrypto, where the system has it: whole points, in one call each.

`cryptography` gives x coordinates only, so a multiplication with it takes two and some arithmetic;
libcrypto's own `EC_POINT_mul` gives the point at once, in constant time for a secret scalar, and a
fifth of the time. `group.py` uses it where `load` finds it, and does without otherwise.

Points are passed as SEC 1 bytes: 33 compressed or 65 uncompressed in, 65 uncompressed out.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from ctypes import c_char_p, c_int, c_size_t, c_void_p
from typing import Any, Final

SONAME: Final = "libcrypto.so.3"
_P256: Final = 415
_UNCOMPRESSED: Final = 4
_CONSTANT_TIME: Final = 4
_SIZE: Final = 65
_FUNCTIONS: Final[dict[str, tuple[Any, list[Any]]]] = {
    "EC_GROUP_new_by_curve_name": (c_void_p, [c_int]),
    "EC_POINT_new": (c_void_p, [c_void_p]),
    "BN_secure_new": (c_void_p, []),
    "BN_CTX_secure_new": (c_void_p, []),
    "BN_bin2bn": (c_void_p, [c_char_p, c_int, c_void_p]),
    "BN_clear": (None, [c_void_p]),
    "BN_set_flags": (None, [c_void_p, c_int]),
    "BN_clear_free": (None, [c_void_p]),
    "BN_CTX_free": (None, [c_void_p]),
    "EC_POINT_clear_free": (None, [c_void_p]),
    "EC_POINT_oct2point": (c_int, [c_void_p, c_void_p, c_char_p, c_size_t, c_void_p]),
    "EC_POINT_point2oct": (
        c_size_t,
        [c_void_p, c_void_p, c_int, c_char_p, c_size_t, c_void_p],
    ),
    "EC_POINT_mul": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
    "EC_POINT_add": (c_int, [c_void_p, c_void_p, c_void_p, c_void_p, c_void_p]),
}


class _Points:
    """Three points, freed when their thread ends."""

    def __init__(self, library: ctypes.CDLL, group: int) -> None:
        self._library = library
        self.one, self.other, self.result = (library.EC_POINT_new(group) for _ in range(3))

    def __del__(self) -> None:
        for point in (self.one, self.other, self.result):
            self._library.EC_POINT_clear_free(point)


class _Numbers:
    """A secret scalar and room for calculations, freed when their thread ends."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        self.scalar = library.BN_secure_new()
        self.context = library.BN_CTX_secure_new()
        library.BN_set_flags(self.scalar, _CONSTANT_TIME)

    def __del__(self) -> None:
        self._library.BN_clear_free(self.scalar)
        self._library.BN_CTX_free(self.context)


class Libcrypto(threading.local):
    """The library with room to work for each thread.

    A point that is not on the curve, or a result that is the identity, raises ValueError.
    """

    def __init__(self, library: ctypes.CDLL, group: int) -> None:
        self._library = library
        self._group = group
        self._points = _Points(library, group)
        self._numbers = _Numbers(library)
        self._context = self._numbers.context
        self._point, self._other = self._points.one, self._points.other
        self._result, self._scalar = self._points.result, self._numbers.scalar
        self._out = ctypes.create_string_buffer(_SIZE)

    def decode(self, point: bytes) -> bytes:
        """Return a point uncompressed, checked to be on the curve."""
        self._read(point, self._point)
        return self._encoded(self._point)

    def add(self, point: bytes, other: bytes) -> bytes:
        """Return the sum of two points."""
        self._read(point, self._point)
        self._read(other, self._other)
        self._must(
            self._library.EC_POINT_add(
                self._group, self._result, self._point, self._other, self._context
            )
        )
        return self._encoded(self._result)

    def multiply(self, scalar: bytes, point: bytes | None = None) -> bytes:
        """Return scalar (32 bytes, big-endian) times a point, the generator by default."""
        library = self._library
        if point is not None:
            self._read(point, self._point)
        library.BN_bin2bn(scalar, len(scalar), self._scalar)
        on_generator, on_point = (
            (self._scalar, (None, None)) if point is None else (None, (self._point, self._scalar))
        )
        done = library.EC_POINT_mul(
            self._group, self._result, on_generator, *on_point, self._context
        )
        library.BN_clear(self._scalar)
        self._must(done)
        return self._encoded(self._result)

    def _read(self, data: bytes, point: int) -> None:
        self._must(
            self._library.EC_POINT_oct2point(self._group, point, data, len(data), self._context)
        )

    def _encoded(self, point: int) -> bytes:
        size = self._library.EC_POINT_point2oct(
            self._group, point, _UNCOMPRESSED, self._out, _SIZE, self._context
        )
        self._must(size == _SIZE)
        return self._out.raw

    @staticmethod
    def _must(done: int) -> None:
        if not done:
            raise ValueError("not a point of P-256, or the identity")


def load() -> Libcrypto | None:
    """Return the library; None where it is missing, or the system is not Linux."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(SONAME)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        return Libcrypto(library, library.EC_GROUP_new_by_curve_name(_P256))
    except (OSError, AttributeError):
        return None
