"""The OPRF keys of accounts: made in the token, then wrapped for their record or kept resident.

Unwrapped keys are session objects, and are destroyed on every path.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from pkcs11 import Attribute, MechanismFlag, ObjectClass
from pkcs11.exceptions import ObjectHandleInvalid

from strongroom_protocol.opaque.group import GENERATOR, Element, add
from strongroom_vault.hsm.token import anchor_slots, quirks, vault_keys
from strongroom_vault.hsm.token.errors import KeyNotFound, TokenError, translated
from strongroom_vault.hsm.token.hot_operations import wrap_mechanism
from strongroom_vault.hsm.token.objects import as_object, destroyed, find_objects
from strongroom_vault.hsm.token.plain import PlainOperations
from strongroom_vault.hsm.token.token_key import TokenKey, decode_ec_point
from strongroom_vault.records.record import StoredOprfKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pkcs11

    from strongroom_vault.hsm.token.hot_operations import HotOperations, KeyHandle
    from strongroom_vault.hsm.token.objects import Template, TokenObject
    from strongroom_vault.hsm.token.wrap_keys import TokenWrapKeys

_TWICE_GENERATOR: Final = add(GENERATOR, GENERATOR)
_FIND_TRIES: Final = 5

# A fresh OPRF key until it is wrapped. Sensitive, so that extractable means: by wrapping alone.
_FRESH: Final[Template] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: True,
    Attribute.DERIVE: True,
    Attribute.SIGN: False,
}
# An OPRF key that stays in the token: it never leaves it, not even wrapped.
_RESIDENT: Final[Template] = {**_FRESH, Attribute.EXTRACTABLE: False, Attribute.TOKEN: True}


class TokenOprfKeys:
    """The OPRF keys of one vault in one open session."""

    def __init__(
        self, session: pkcs11.Session, label: str, hot: HotOperations, wrap_keys: TokenWrapKeys
    ) -> None:
        """Remember where they are; `label` is that of resident keys.

        Raises:
            OperatorError: the token has no wrapping mechanism that the vault can use.
        """
        self._session = session
        self._label = label
        self._hot = hot
        self._wrap_keys = wrap_keys
        self._wrap_mechanism = wrap_mechanism(session)
        self._curve = vault_keys.curve(session)

    @translated()
    def generate(self, *, resident: bool) -> StoredOprfKey:
        """Make a fresh OPRF key inside the token, and return what a record keeps of it."""
        pair = self._curve.generate_keypair(
            store=False,
            capabilities=MechanismFlag.DERIVE,
            private_template={**_RESIDENT, Attribute.LABEL: self._label} if resident else _FRESH,
        )
        public, private = map(as_object, pair)
        with destroyed(public):
            point = decode_ec_point(public[Attribute.EC_POINT]).encode()
        if resident:
            # Named only now, since the point is not known before. A crash in between leaves a key
            # without a name, which no record can need.
            private[Attribute.ID] = point
            return StoredOprfKey(point, None)
        with destroyed(private):
            return self._wrapped(point, private)

    def destroy(self, public_key: bytes) -> bool:
        """Destroy a resident key; return whether it was there."""
        # Searched for again if it seems missing: one that is overlooked stays in the token until
        # `reconcile` finds it.
        keys = self._find_with_retries(public_key)
        for private in keys:
            with suppress(KeyNotFound), self._unless_gone(public_key):
                private.destroy()
        return bool(keys)

    @translated()
    def list_resident(self) -> tuple[bytes, ...]:
        """Return the public keys, 33 bytes each, of all resident keys."""
        public_keys = []
        for key in self._find():
            try:
                public_keys.append(bytes(key[Attribute.ID]))
            except ObjectHandleInvalid:
                if key.handle in {each.handle for each in self._find()}:
                    raise  # another worker did not destroy it: the session is lost
        return tuple(public_keys)

    @contextmanager
    def lend(self, stored: StoredOprfKey) -> Iterator[TokenKey]:
        """Lend a resident key, or unwrap a key as a session object for the time of the block.

        Raises:
            KeyNotFound: the token does not find the resident key.
            TokenError: it does not unwrap the key.
        """
        public_key = Element.decode(stored.public_key, "oprf public key")
        if stored.wrapped is None:
            with self._unless_gone(stored.public_key):
                yield TokenKey(self._hot, self._resident_key(stored.public_key), public_key)
            return
        point = public_key.encode_uncompressed()
        wrapping_key = self._wrap_keys.unwrapping_key(stored.wrap_key)
        key = self._hot.unwrap(wrapping_key, stored.wrapped, point)
        # Destroyed on every path: a key that stays would fill the token's memory, one for each
        # failed job.
        try:
            yield TokenKey(self._hot, key, public_key)
        finally:
            self._hot.destroy(key)

    def rewrap(self, stored: StoredOprfKey) -> StoredOprfKey:
        """Return a wrapped OPRF key under the newest wrap key.

        Raises:
            TokenError: the key is resident, or the token refuses it, or it is another key.
        """
        if stored.wrapped is None:
            raise TokenError("a resident key is not wrapped")
        # 1. Refresh if the key is under the newest that this session knows: another worker may
        #    have made a newer one, and the rotation would count this key as done.
        if stored.wrap_key == self._wrap_keys.newest:
            self._wrap_keys.refresh()
        point = Element.decode(stored.public_key).encode_uncompressed()
        plain = PlainOperations(self._wrap_mechanism, quirks.of(self._session.token))
        wrapping_key = self._wrap_keys.unwrapping_key(stored.wrap_key)
        # 2. Unwrap it so that it may be wrapped: extractable for the time of this block alone, and
        #    even then by wrapping only.
        private = plain.unwrap(wrapping_key, stored.wrapped, point, is_extractable=True)
        with translated(), destroyed(private):
            rewrapped = self._wrapped(stored.public_key, private)  # 3. Under the newest key.
        # 4. Unwrap the result and check that it is the record's key, before the record drops the
        #    old form for it: a wrong one would lose the account's key for good.
        with self.lend(rewrapped) as key:
            if key.evaluate(_TWICE_GENERATOR) != add(key.public_key, key.public_key):
                raise TokenError("the wrapped key is not the record's")
        return rewrapped

    def _wrapped(self, public_key: bytes, private: TokenObject) -> StoredOprfKey:
        key = self._wrap_keys.wrapping_key()
        wrapped = key.wrap_key(private, mechanism=self._wrap_mechanism)
        return StoredOprfKey(public_key, wrapped, self._wrap_keys.newest)

    @contextmanager
    def _unless_gone(self, public_key: bytes) -> Iterator[None]:
        """Use a resident key that another worker may destroy after it was found.

        Raises:
            KeyNotFound: it is gone.
            TokenError: the token refused, and still has the key.
        """
        try:
            with translated():
                yield
        except TokenError as error:
            # The handle of a destroyed key is invalid. So are all handles once a session is lost;
            # taken for that, any account could end workers by deleting its key at the right moment.
            with translated():
                if error.is_session_lost and not self._find(public_key):
                    raise KeyNotFound("the token no longer has the key of a record") from error
            raise

    def _resident_key(self, public_key: bytes) -> KeyHandle:
        keys = self._find_with_retries(public_key)
        if not keys:
            raise KeyNotFound("the token does not find the key that a record names")
        if len(keys) > 1:
            raise TokenError(f"the token has {len(keys)} keys for one record")
        return self._hot.key(keys[0])

    def _find_with_retries(self, public_key: bytes) -> list[TokenObject]:
        """Find a resident key; try again if it seems to be missing."""
        # While another worker makes or destroys keys, one may seem to be missing: SoftHSM reads its
        # folder anew then (1 of some 50 searches, beside 50 destructions a second).
        for tries in range(anchor_slots.READ_TRIES):
            time.sleep(anchor_slots.RETRY_S if tries else 0)
            with translated():
                if keys := self._find(public_key):
                    return keys
        return []

    def _find(self, public_key: bytes | None = None) -> list[TokenObject]:
        """Find the resident key with a public key, or all."""
        template: Template = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.LABEL: self._label,
        }
        if public_key is not None:
            template[Attribute.ID] = public_key
        # python-pkcs11 reads each object that it finds, and another worker may have destroyed one.
        for _ in range(_FIND_TRIES - 1):
            with suppress(ObjectHandleInvalid):
                return find_objects(self._session, template)
        return find_objects(self._session, template)
