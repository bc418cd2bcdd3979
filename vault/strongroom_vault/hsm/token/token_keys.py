"""The keys of a vault in an open session: its identity, the root of its secrets, OPRF keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pkcs11 import Attribute, Mechanism, ObjectClass

from strongroom_vault.hsm.token import vault_keys
from strongroom_vault.hsm.token.errors import translated
from strongroom_vault.hsm.token.hot_operations import hot_operations
from strongroom_vault.hsm.token.objects import session_copy
from strongroom_vault.hsm.token.oprf_keys import TokenOprfKeys
from strongroom_vault.hsm.token.token_key import TokenKey, decode_ec_point
from strongroom_vault.hsm.token.wrap_keys import TokenWrapKeys

if TYPE_CHECKING:
    import pkcs11


class TokenKeys:
    """Finds the vault's keys once, and uses them. Not for two threads.

    Attributes:
        identity: the vault's static 3DH key; it never leaves the token.
        wrap_keys: those under which records keep OPRF keys.
        oprf_keys: those of accounts.
    """

    def __init__(
        self, session: pkcs11.Session, module: str, labels: vault_keys.Labels = vault_keys.VAULT
    ) -> None:
        """Find the vault's keys.

        Args:
            session: open and logged in.
            module: the path that the session was opened from.
            labels: of the keys; the doctor tries a token with others.

        Raises:
            OperatorError: a key is missing or there twice, or the token has no wrapping mechanism
                that the vault can use.
        """
        self._root = vault_keys.find_one(session, labels.root, ObjectClass.SECRET_KEY)
        public = vault_keys.find_one(session, labels.identity, ObjectClass.PUBLIC_KEY)
        private = vault_keys.find_one(session, labels.identity, ObjectClass.PRIVATE_KEY)
        hot = hot_operations(session, module)
        self.wrap_keys = TokenWrapKeys(session, labels)
        self.oprf_keys = TokenOprfKeys(session, labels.oprf, hot, self.wrap_keys)
        self._identity_key = session_copy(private)
        point = decode_ec_point(public[Attribute.EC_POINT])
        self.identity = TokenKey(hot, hot.key(self._identity_key), point)

    @translated()
    def derive_secret(self, label: str) -> bytes:
        """Return HMAC-SHA-256(strongroom.root, label), 32 bytes."""
        return bytes(self._root.sign(label.encode(), mechanism=Mechanism.SHA256_HMAC))
