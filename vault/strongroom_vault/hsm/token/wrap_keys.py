"""The wrap keys in an open session: one, or two while a rotation is under way.

Another worker may make or destroy one at any time, so what this session knows of them can be old;
it looks again when a record names a key that it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.errors import TokenError, translated
from strongroom_vault.hsm.token.objects import session_copy

if TYPE_CHECKING:
    from collections.abc import Collection

    import pkcs11

    from strongroom_vault.hsm.token.objects import TokenObject


class TokenWrapKeys:
    """Finds, makes and destroys wrap keys, and keeps a session copy of each to unwrap with."""

    def __init__(self, session: pkcs11.Session, labels: vault_keys.Labels) -> None:
        """Find them.

        Raises:
            OperatorError: there are none, or more than two, or two with one number.
        """
        self._session = session
        self._labels = labels
        self._keys: dict[int, TokenObject] = {}
        self._copies: dict[int, TokenObject] = {}
        self.refresh()

    def numbers(self) -> tuple[int, ...]:
        """Return the numbers of the wrap keys, ascending; the last one wraps."""
        return tuple(self._keys)

    @property
    def newest(self) -> int:
        """The number of the key that wraps."""
        return max(self._keys)

    def wrapping_key(self) -> TokenObject:
        """Return the newest key."""
        return self._keys[self.newest]

    def unwrapping_key(self, number: int) -> TokenObject:
        """Return a copy of a key.

        Raises:
            TokenError: the token does not have it any more.
        """
        if number > self.newest:
            self.refresh()  # another worker has made it since, in a rotation
        key = self._copies.get(number)
        if key is None:
            raise TokenError(f"wrap key {number} is not in the token any more")
        return key

    @translated()
    def make(self, known: Collection[int]) -> None:
        """Make a second wrap key, if there is only one.

        Args:
            known: the numbers of all wrap keys, as other sessions see them.

        Raises:
            TokenError: this session sees others; nothing was made.
        """
        self.refresh()
        # A session that has lost sight of a key would make another with the same number, and no
        # vault starts with such a token.
        if self._keys.keys() != set(known):
            raise TokenError(
                f"this session sees the wrap keys {list(self._keys)}, others see {sorted(known)}"
            )
        # Made once even if it is asked for again: a rotation that was cut off goes on with the key
        # that it made, and the token never has a third.
        if len(self._keys) == 1:
            vault_keys.make_wrap_key(self._session, self.newest + 1, self._labels)
            self.refresh()

    @translated()
    def destroy(self, numbers: Collection[int]) -> None:
        """Destroy the wrap keys with these numbers; never the newest."""
        # Refresh first: the newest is the one that the token has, not the one that this session
        # knew. It is never destroyed, whatever the numbers say: records are under it by now.
        self.refresh()
        for number, key in list(self._keys.items())[:-1]:
            if number in numbers:
                key.destroy()
        self.refresh()

    @translated()
    def refresh(self) -> None:
        """Find the wrap keys that the token has now.

        Raises:
            OperatorError: as when they were found first.
        """
        keys = vault_keys.find_wrap_keys(self._session, self._labels)
        for number in self._keys.keys() - keys.keys():
            copy = self._copies.pop(number)
            # A token that makes no copies has lent the key itself, which is gone already.
            if copy is not self._keys[number]:
                copy.destroy()
        for number in keys.keys() - self._keys.keys():
            self._copies[number] = session_copy(keys[number])
        self._keys = keys
