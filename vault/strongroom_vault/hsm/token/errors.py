"""What a token refuses: errors of python-pkcs11 become these at the edge of this package."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

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

from strongroom_vault.errors import StrongroomVaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Some modules call a handle invalid once their device is back, and mean all handles.
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


class TokenError(StrongroomVaultError):
    """The token refused an operation; `is_session_lost` if it will refuse every other too."""

    def __init__(self, problem: str, *, is_session_lost: bool = False) -> None:
        super().__init__(problem)
        self.is_session_lost = is_session_lost


class KeyNotFound(TokenError):
    """The token does not find a resident key.

    It was destroyed, or this session has lost sight of it: a process of SoftHSM was seen that did
    not find a key for a minute, while a new one found it.
    """


@contextmanager
def translated() -> Iterator[None]:
    """Turn errors of python-pkcs11 into TokenError."""
    try:
        yield
    except PKCS11Error as error:
        is_lost = isinstance(error, _SESSION_LOST)
        raise TokenError(type(error).__name__, is_session_lost=is_lost) from error
