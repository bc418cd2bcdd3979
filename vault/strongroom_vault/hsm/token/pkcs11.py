"""The token of `interface.py` over python-pkcs11, hot operations over `native.py` or `plain.py`.

PKCS#11 multiplies points only as CKM_ECDH1_DERIVE with CKD_NULL, which gives x coordinates;
`multiply_by_ecdh` asks twice and finds y. Unwrapped keys and derived secrets are session objects
and are destroyed on every path.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pkcs11
from pkcs11 import Attribute, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import PKCS11Error

from strongroom_protocol.opaque.errors import DecodeError, KeyMismatch
from strongroom_protocol.opaque.group import GENERATOR, Element, add, multiply_by_ecdh
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import anchor_slots, open_errors, quirks, vault_keys
from strongroom_vault.hsm.token.interface import KeyNotFound, TokenError
from strongroom_vault.hsm.token.native import NativeOperations, NotOurInstance
from strongroom_vault.hsm.token.plain import PlainOperations, translated
from strongroom_vault.platform.files import refuse_readable_by_others
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.refusals import named

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from strongroom_vault.hsm.token.plain import HotOperations, KeyHandle
    from strongroom_vault.ledger.head import Anchored
    from strongroom_vault.settings.token_settings import TokenSettings

_WRAP_MECHANISMS: Final = (Mechanism.AES_KEY_WRAP_PAD, Mechanism.AES_KEY_WRAP_KWP)
_TWICE_GENERATOR: Final = add(GENERATOR, GENERATOR)
_DER_OCTET_STRING: Final = b"\x04\x41"

# An OPRF key while it waits to be wrapped: extractable by wrapping alone, since it is sensitive.
_FRESH_OPRF_KEY: Final[dict[Attribute, Any]] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: True,
    Attribute.DERIVE: True,
    Attribute.SIGN: False,
}
# An OPRF key that rests in the token: never to leave it, not even wrapped.
_RESIDENT_OPRF_KEY: Final = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.DERIVE: True,
    Attribute.SIGN: False,
    Attribute.TOKEN: True,
}


@contextmanager
def open_session(settings: TokenSettings) -> Iterator[pkcs11.Session]:
    """Open the token read-write and log in.

    Raises:
        OperatorError: no such module or token, or a PIN file that others can read.
        WrongPin: the token does not accept the PIN.
        TokenError: the token fails while it is open.
    """
    pin = read_pin(Path(settings.pin_file))
    os.environ.update(settings.environment)
    try:
        library = pkcs11.lib(settings.module)
    except (PKCS11Error, OSError, RuntimeError) as error:
        raise open_errors.no_module(settings, error) from error
    try:
        token = library.get_token(token_label=settings.label)
        session = token.open(rw=True, user_pin=pin, attribute_mapper=quirks.attribute_mapper())
    except PKCS11Error as error:
        raise open_errors.refused(settings, library, error) from error
    with translated(), session:
        yield session


def read_pin(path: Path) -> str:
    """Return the PIN in a file that its owner alone can read.

    Raises:
        OperatorError: no such file, others can read it, or it is empty.
    """
    hint = f"{named('token', 'pin_file')} names the file with the token's user PIN."
    refuse_readable_by_others(path, "the PIN file ", hint)
    try:
        pin = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise OperatorError(f"cannot read the PIN file {path}: {said}", hint) from error
    if not pin:
        raise OperatorError(f"the PIN file {path} is empty", hint)
    return pin


class Pkcs11Token:
    """The vault's keys in one open session; see `interface.Token`."""

    def __init__(
        self, session: pkcs11.Session, module: str, labels: vault_keys.Labels = vault_keys.VAULT
    ) -> None:
        """Find the vault's keys.

        Args:
            session: open and logged in.
            module: the path that the session was opened from.
            labels: of the keys; the doctor tries a token with others.

        Raises:
            OperatorError: a key is missing or there twice, or no wrapping mechanism will do.
        """
        self._session = session
        self._labels = labels
        self._root = vault_keys.find_one(session, labels.root, ObjectClass.SECRET_KEY)
        self._wrap_mechanism = wrap_mechanism(session)
        self._curve = vault_keys.curve(session)
        public = vault_keys.find_one(session, labels.identity, ObjectClass.PUBLIC_KEY)
        private = vault_keys.find_one(session, labels.identity, ObjectClass.PRIVATE_KEY)
        self._hot = hot_operations(session, module)
        self._wrap_keys: dict[int, vault_keys.TokenObject] = {}
        self._unwrapping_keys: dict[int, vault_keys.TokenObject] = {}
        self._find_wrap_keys()
        self._identity_key = _session_copy(private)
        point = decode_ec_point(public[Attribute.EC_POINT])
        self.identity = TokenKey(self._hot, self._hot.key(self._identity_key), point)

    def generate_oprf_key(self, *, resident: bool) -> StoredOprfKey:
        """Make a fresh OPRF key inside the token and return what a record keeps of it."""
        template = _FRESH_OPRF_KEY
        if resident:
            template = {**_RESIDENT_OPRF_KEY, Attribute.LABEL: self._labels.oprf}
        with translated():
            public, private = self._curve.generate_keypair(
                store=False,
                capabilities=MechanismFlag.DERIVE,
                private_template=template,
            )
            with _destroyed(public):
                point = decode_ec_point(public[Attribute.EC_POINT]).encode()
            if resident:
                private[Attribute.ID] = point
                return StoredOprfKey(point, None)
            with _destroyed(private):
                return self._wrapped(point, private)

    def destroy_oprf_key(self, public_key: bytes) -> bool:
        """Destroy a resident key; return whether it was there."""
        found = self._looked_for(public_key)
        with translated():
            for private in found:
                private.destroy()
        return bool(found)

    def resident_oprf_keys(self) -> tuple[bytes, ...]:
        """Return the public keys, 33 bytes each, of all resident keys."""
        with translated():
            return tuple(bytes(key[Attribute.ID]) for key in self._resident())

    @contextmanager
    def oprf_key(self, stored: StoredOprfKey) -> Iterator[TokenKey]:
        """Lend a resident key, or unwrap one as a session object for the time of the block."""
        public_key = Element.decode(stored.public_key, "oprf public key")
        if stored.wrapped is None:
            yield TokenKey(self._hot, self._resident_key(stored.public_key), public_key)
            return
        point = public_key.encode_uncompressed()
        key = self._hot.unwrap(self._unwrapping_key(stored), stored.wrapped, point)
        try:
            yield TokenKey(self._hot, key, public_key)
        finally:
            self._hot.destroy(key)

    def wrap_keys(self) -> tuple[int, ...]:
        """Return the numbers of the wrap keys, ascending; the last one wraps."""
        return tuple(self._wrap_keys)

    def make_wrap_key(self) -> None:
        """Make a second wrap key, if there is only one."""
        with translated():
            self._find_wrap_keys()
            if len(self._wrap_keys) == 1:
                newest = max(self._wrap_keys)
                vault_keys.make_wrap_key(self._session, newest + 1, self._labels)
                self._find_wrap_keys()

    def destroy_wrap_keys(self, numbers: Collection[int]) -> None:
        """Destroy the wrap keys with these numbers; never the newest."""
        with translated():
            self._find_wrap_keys()
            for number, key in list(self._wrap_keys.items())[:-1]:
                if number in numbers:
                    key.destroy()
            self._find_wrap_keys()

    def rewrap(self, stored: StoredOprfKey) -> StoredOprfKey:
        """Return a wrapped OPRF key under the newest wrap key.

        For the time of this call the key may be wrapped. What comes out is opened again and checked
        to be the record's key: it is about to take the place of the only other copy.
        """
        if stored.wrapped is None:
            raise TokenError("a resident key is not wrapped")
        if stored.wrap_key == max(self._wrap_keys):
            with translated():
                self._find_wrap_keys()  # another worker may have made a newer one
        point = Element.decode(stored.public_key).encode_uncompressed()
        plain = PlainOperations(self._wrap_mechanism, quirks.of(self._session.token))
        wrapping_key = self._unwrapping_key(stored)
        private = plain.unwrap(wrapping_key, stored.wrapped, point, is_extractable=True)
        with translated(), _destroyed(private):
            rewrapped = self._wrapped(stored.public_key, private)
        with self.oprf_key(rewrapped) as key:
            if key.evaluate(_TWICE_GENERATOR) != add(key.public_key, key.public_key):
                raise TokenError("the wrapped key is not the record's")
        return rewrapped

    def _wrapped(self, public_key: bytes, private: vault_keys.TokenObject) -> StoredOprfKey:
        number, key = list(self._wrap_keys.items())[-1]
        wrapped = key.wrap_key(private, mechanism=self._wrap_mechanism)
        return StoredOprfKey(public_key, wrapped, number)

    def _find_wrap_keys(self) -> None:
        """Look which wrap keys there are, and keep a session copy of each."""
        keys = vault_keys.find_wrap_keys(self._session, self._labels)
        for number in self._wrap_keys.keys() - keys.keys():
            copy = self._unwrapping_keys.pop(number)
            if copy is not self._wrap_keys[number]:
                copy.destroy()
        for number in keys.keys() - self._wrap_keys.keys():
            self._unwrapping_keys[number] = _session_copy(keys[number])
        self._wrap_keys = keys

    def _unwrapping_key(self, stored: StoredOprfKey) -> vault_keys.TokenObject:
        if stored.wrap_key > max(self._wrap_keys):
            with translated():
                self._find_wrap_keys()  # another worker has made it
        key = self._unwrapping_keys.get(stored.wrap_key)
        if key is None:
            raise TokenError(f"wrap key {stored.wrap_key} is not in the token any more")
        return key

    def _resident_key(self, public_key: bytes) -> KeyHandle:
        found = self._looked_for(public_key)
        if not found:
            raise KeyNotFound("the token does not find the key of a record")
        if len(found) > 1:
            raise TokenError(f"the token has {len(found)} keys for one record")
        return self._hot.key(found[0])

    def _looked_for(self, public_key: bytes) -> list[vault_keys.TokenObject]:
        """The resident key, looked for again if it is missing.

        While another worker makes or destroys keys, one may seem to be: SoftHSM reads its folder
        anew then (1 of some 50 looks, beside 50 destructions a second).
        """
        for look in range(anchor_slots.LOOKS):
            time.sleep(anchor_slots.LOOK_AGAIN_S if look else 0)
            with translated():
                if found := self._resident(public_key):
                    return found
        return []

    def _resident(self, public_key: bytes | None = None) -> list[vault_keys.TokenObject]:
        """The resident key with a public key, or all."""
        template: dict[Attribute, Any] = {
            Attribute.CLASS: ObjectClass.PRIVATE_KEY,
            Attribute.LABEL: self._labels.oprf,
        }
        if public_key is not None:
            template[Attribute.ID] = public_key
        return list(self._session.get_objects(template))

    def derive_secret(self, label: str) -> bytes:
        """Return HMAC-SHA-256(strongroom.root, label), 32 bytes."""
        with translated():
            return bytes(self._root.sign(label.encode(), mechanism=Mechanism.SHA256_HMAC))

    def read_anchor(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""
        with translated():
            return anchor_slots.look(self._session, self._labels.anchor)

    def advance_anchor(self, expected: Anchored, new: Anchored) -> Anchored:
        """Remember `new` if the anchor holds `expected`; return what it holds afterwards.

        Raises:
            TokenError: it holds nothing; a token that has lost its objects may find them again.
        """
        with translated():
            held = anchor_slots.advance(self._session, expected, new, self._labels.anchor)
        if held is None:
            raise TokenError("the token holds no anchor at the moment", is_session_lost=True)
        return held


class TokenKey:
    """A P-256 private key in the token: an OprfKey and an AkePrivateKey of `opaque/keys.py`."""

    def __init__(self, hot: HotOperations, key: KeyHandle, public_key: Element) -> None:
        self._hot = hot
        self._key = key
        self.public_key = public_key

    def evaluate(self, blinded_element: Element) -> Element:
        """Return the key times `blinded_element`: RFC 9497 BlindEvaluate.

        Raises:
            TokenError: the token refuses, or answers for another key.
        """
        try:
            return multiply_by_ecdh(self.public_key, blinded_element, self._ecdh)
        except (KeyMismatch, DecodeError) as error:
            raise TokenError(str(error)) from error

    def diffie_hellman(self, peer: Element) -> Element:
        """Return the key times `peer`."""
        return self.evaluate(peer)

    @property
    def is_non_extractable(self) -> bool:
        """Whether the token says that it would not let the key out."""
        return self._hot.is_non_extractable(self._key)

    def _ecdh(self, point: Element) -> bytes:
        return self._hot.multiply(self._key, point.encode_uncompressed())


def decode_ec_point(value: bytes) -> Element:
    """Return the point of a CKA_EC_POINT: a DER OCTET STRING around 04 X Y, or 04 X Y alone.

    Raises:
        TokenError: it is neither.
    """
    raw = value.removeprefix(_DER_OCTET_STRING) if value[1:2] == b"\x41" else value
    try:
        return Element.decode_uncompressed(raw, "CKA_EC_POINT")
    except DecodeError as error:
        raise TokenError(f"the token gives a public key that is none: {error}") from error


def hot_operations(session: pkcs11.Session, module: str) -> HotOperations:
    """Return the fastest way to the session's token that works with its module."""
    mechanism = wrap_mechanism(session)
    found = quirks.of(session.token)
    handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
    if found.point_to_unwrap is None:
        try:
            return NativeOperations(module, handle, mechanism.value)
        except NotOurInstance:
            pass
    return PlainOperations(mechanism, found)


def wrap_mechanism(session: pkcs11.Session) -> Mechanism:
    """Return how the session's token is to wrap OPRF keys.

    Raises:
        OperatorError: it has no mechanism that will do.
    """
    offered = session.token.slot.get_mechanisms()
    for mechanism in _WRAP_MECHANISMS:
        if mechanism in offered:
            return mechanism
    names = " and ".join(mechanism.name for mechanism in _WRAP_MECHANISMS)
    raise OperatorError(f"the token wraps keys neither with {names}")


def _session_copy(key: vault_keys.TokenObject) -> vault_keys.TokenObject:
    """Return a copy that lives with the session, or the key itself if the token makes none.

    A token may read a token object anew at each use: SoftHSM makes 28 file system calls for it.
    """
    try:
        return key.copy({Attribute.TOKEN: False})
    except PKCS11Error:
        return key


@contextmanager
def _destroyed(session_object: pkcs11.Object) -> Iterator[None]:
    """Destroy a session object when the block ends, however it ends."""
    try:
        yield
    finally:
        session_object.destroy()
