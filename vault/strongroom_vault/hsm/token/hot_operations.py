"""What a recovery does with keys in the token, in the fastest way that works with its module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from pkcs11 import Mechanism

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import quirks
from strongroom_vault.hsm.token.native import NativeOperations, NotOurInstance
from strongroom_vault.hsm.token.plain import PlainOperations

if TYPE_CHECKING:
    import pkcs11

    from strongroom_vault.hsm.token.objects import TokenObject

_WRAP_MECHANISMS: Final = (Mechanism.AES_KEY_WRAP_PAD, Mechanism.AES_KEY_WRAP_KWP)

KeyHandle: TypeAlias = Any
"""Whatever `key` and `unwrap` of the same HotOperations return."""


class HotOperations(Protocol):
    """Unwrap, multiply, destroy. Every method raises TokenError."""

    def key(self, private: TokenObject) -> KeyHandle:
        """Return an object of python-pkcs11 as a key."""

    def unwrap(self, wrapping_key: TokenObject, wrapped: bytes, point: bytes) -> KeyHandle:
        """Unwrap an EC private key, whose public point is 65 bytes, as a session object."""

    def multiply(self, key: KeyHandle, point: bytes) -> bytes:
        """Return the x coordinate, 32 bytes, of the key times a point (65 bytes, uncompressed)."""

    def is_non_extractable(self, key: KeyHandle) -> bool:
        """Whether the token says that the key is sensitive and not extractable."""

    def destroy(self, key: KeyHandle) -> None:
        """Destroy an object."""


def hot_operations(session: pkcs11.Session, module: str) -> HotOperations:
    """Return the fastest way to the session's token that works with its module.

    Args:
        session: open and logged in.
        module: the path that the session was opened from.
    """
    mechanism = wrap_mechanism(session)
    token_quirks = quirks.of(session.token)
    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
    if token_quirks.point_to_unwrap is None:
        try:
            return NativeOperations(module, handle, mechanism.value)
        except NotOurInstance:
            pass
    return PlainOperations(mechanism, token_quirks)


def wrap_mechanism(session: pkcs11.Session) -> Mechanism:
    """Return the mechanism with which the session's token can wrap OPRF keys.

    Raises:
        OperatorError: it has none that the vault can use.
    """
    offered = session.token.slot.get_mechanisms()
    for mechanism in _WRAP_MECHANISMS:
        if mechanism in offered:
            return mechanism
    names = ", ".join(mechanism.name for mechanism in _WRAP_MECHANISMS)
    raise OperatorError(f"the token has none of the mechanisms to wrap keys: {names}")
