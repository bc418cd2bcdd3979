"""Objects of a token as this package uses them, over python-pkcs11.

python-pkcs11 gives each object the methods of what it may do, by a class made for it at run time,
so that its own types show none of them.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from pkcs11 import Attribute
from pkcs11.exceptions import PKCS11Error

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pkcs11
    from pkcs11 import KeyType, Mechanism, ObjectClass

AttributeValue: TypeAlias = Any
"""bytes, bool, int or str: each attribute has its own type."""
Template: TypeAlias = dict[Attribute, AttributeValue]


class TokenObject(Protocol):
    """An object of a token. A method that it may not do raises AttributeError."""

    @property
    def handle(self) -> int:
        """Its number in the session."""

    def __getitem__(self, attribute: Attribute, /) -> AttributeValue: ...

    def __setitem__(self, attribute: Attribute, value: AttributeValue, /) -> None: ...

    def copy(self, template: Template, /) -> TokenObject:
        """C_CopyObject."""

    def destroy(self) -> None:
        """C_DestroyObject."""

    def sign(self, data: bytes, /, *, mechanism: Mechanism) -> bytes:
        """C_Sign."""

    def wrap_key(self, key: TokenObject, /, *, mechanism: Mechanism) -> bytes:
        """C_WrapKey."""

    def unwrap_key(
        self,
        object_class: ObjectClass,
        key_type: KeyType,
        wrapped: bytes,
        /,
        *,
        mechanism: Mechanism,
        store: bool,
        template: Template,
    ) -> TokenObject:
        """C_UnwrapKey."""

    def derive_key(
        self,
        key_type: KeyType,
        bits: int,
        /,
        *,
        mechanism: Mechanism,
        mechanism_param: tuple[object, ...],
        store: bool,
        template: Template,
    ) -> TokenObject:
        """C_DeriveKey."""


def as_object(made: pkcs11.Object) -> TokenObject:
    """Return an object of python-pkcs11 with what it may do."""
    return cast("TokenObject", made)


def find_objects(session: pkcs11.Session, template: Template) -> list[TokenObject]:
    """Return all objects that a template fits."""
    return [as_object(each) for each in session.get_objects(template)]


def session_copy(key: TokenObject) -> TokenObject:
    """Return a copy that lives with the session, or the key itself if the token makes none.

    A token may read a token object anew at each use: SoftHSM makes 28 file system calls for it.
    """
    try:
        return key.copy({Attribute.TOKEN: False})
    except PKCS11Error:
        return key


@contextmanager
def destroyed(session_object: TokenObject) -> Iterator[None]:
    """Destroy a session object when the block ends, however it ends."""
    try:
        yield
    finally:
        session_object.destroy()
