"""All that the vault asks of a token. `pkcs11.py` does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom_vault.errors import StrongroomVaultError

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractContextManager

    from strongroom_protocol.opaque.keys import AkePrivateKey, OprfKey
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.records.record import StoredOprfKey


class TokenError(StrongroomVaultError):
    """The token refused an operation; `is_session_lost` when it will refuse every other too."""

    def __init__(self, problem: str, *, is_session_lost: bool = False) -> None:
        super().__init__(problem)
        self.is_session_lost = is_session_lost


class KeyNotFound(TokenError):
    """The token does not find a resident key.

    It was destroyed, or this session has lost sight of it: a process of SoftHSM was seen that did
    not find a key for a minute, while a new one found it.
    """


class Token(Protocol):
    """An open token with the vault's keys. Not for two threads. Every method raises TokenError."""

    @property
    def identity(self) -> AkePrivateKey:
        """The vault's static 3DH key; it never leaves the token."""

    def generate_oprf_key(self, *, resident: bool) -> StoredOprfKey:
        """Make a fresh OPRF key inside the token and return what a record keeps of it."""

    def destroy_oprf_key(self, public_key: bytes) -> bool:
        """Destroy a resident key; return whether it was there."""

    def resident_oprf_keys(self) -> tuple[bytes, ...]:
        """Return the public keys, 33 bytes each, of all resident keys."""

    def oprf_key(self, stored: StoredOprfKey) -> AbstractContextManager[OprfKey]:
        """Lend the key inside the token for a while; nothing new is left there afterwards."""

    def wrap_keys(self) -> tuple[int, ...]:
        """Return the numbers of the wrap keys, ascending; the last one wraps."""

    def make_wrap_key(self) -> None:
        """Make a second wrap key, if there is only one."""

    def destroy_wrap_keys(self, numbers: Collection[int]) -> None:
        """Destroy the wrap keys with these numbers; never the newest."""

    def rewrap(self, stored: StoredOprfKey) -> StoredOprfKey:
        """Return a wrapped OPRF key under the newest wrap key."""

    def derive_secret(self, label: str) -> bytes:
        """Return HMAC-SHA-256(strongroom.root, label), 32 bytes."""

    def read_anchor(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""

    def advance_anchor(self, expected: Anchored, new: Anchored) -> Anchored:
        """Remember `new` if the anchor holds `expected`; return what it holds afterwards."""
