"""How PKCS#11 modules deviate from the standard, where they cannot be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pkcs11.attributes import AttributeMapper

if TYPE_CHECKING:
    import pkcs11

CKA_NSS_DB: Final[Any] = 0xD5A0DB00
"""NSS's own attribute of a private key: its public point."""


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a token differs from the standard.

    Attributes:
        name: for operators; empty for a token without quirks.
        point_to_unwrap: the attribute under which the template of an unwrapped EC key must have the
            public point, because the module cannot compute it; None where it can.
    """

    name: str = ""
    point_to_unwrap: Any = None


_NSS: Final = Quirks("NSS softokn: unwrapping needs the public point", CKA_NSS_DB)


def of(token: pkcs11.Token) -> Quirks:
    """Return the quirks of a token, by what it says of itself."""
    if token.manufacturer_id == "Mozilla Foundation" and token.model.startswith("NSS"):
        return _NSS
    return Quirks()


def attribute_mapper() -> AttributeMapper:
    """Return the attributes that python-pkcs11 knows, and those of quirks."""
    mapper = AttributeMapper()
    mapper.register_handler(CKA_NSS_DB, bytes, bytes)
    return mapper
