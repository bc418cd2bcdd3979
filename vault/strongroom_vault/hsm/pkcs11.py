"""The token of `interface.py` over python-pkcs11, its hot operations over `native.py`.

PKCS#11 multiplies points only as CKM_ECDH1_DERIVE with CKD_NULL, which gives x coordinates;
`multiply_by_ecdh` asks twice and finds y. Unwrapped keys and derived secrets are session objects
and are destroyed on every path.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pkcs11
from pkcs11 import Attribute, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    DeviceError,
    DeviceMemory,
    DeviceRemoved,
    HostMemory,
    PinIncorrect,
    PinLocked,
    PKCS11Error,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    TokenNotRecognised,
    UserNotLoggedIn,
)

from strongroom.opaque.errors import DecodeError, KeyMismatch
from strongroom.opaque.group import Element, multiply_by_ecdh
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm import anchor_slots, vault_keys
from strongroom_vault.hsm.interface import TokenError
from strongroom_vault.hsm.native import CKA_EXTRACTABLE, CKA_SENSITIVE, NativeSession
from strongroom_vault.record import StoredOprfKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom_vault.head import Anchored
    from strongroom_vault.hsm.jobs import TokenSettings

_SESSION_LOST: Final = (
    DeviceError,
    DeviceMemory,
    DeviceRemoved,
    HostMemory,
    SessionClosed,
    SessionHandleInvalid,
    TokenNotPresent,
    TokenNotRecognised,
    UserNotLoggedIn,
)
_WRAP_MECHANISMS: Final = (Mechanism.AES_KEY_WRAP_PAD, Mechanism.AES_KEY_WRAP_KWP)
_SAFE_MODE: Final = 0o077
_DER_OCTET_STRING: Final = b"\x04\x41"

# An OPRF key while it waits to be wrapped: extractable by wrapping alone, since it is sensitive.
_FRESH_OPRF_KEY: Final = {
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
    Attribute.LABEL: vault_keys.OPRF,
}
_RESIDENT: Final = {
    Attribute.CLASS: ObjectClass.PRIVATE_KEY,
    Attribute.LABEL: vault_keys.OPRF,
}


class WrongPin(OperatorError):
    """The token does not accept the PIN; trying again would lock it."""


@contextmanager
def open_session(settings: TokenSettings) -> Iterator[pkcs11.Session]:
    """Open the token read-write and log in.

    Raises:
        OperatorError: no such module or token, or a PIN file that others can read.
        WrongPin: the token does not accept the PIN.
        TokenError: the token fails while it is open.
    """
    pin = read_pin(Path(settings.pin_file))
    try:
        library = pkcs11.lib(settings.module)
        token = library.get_token(token_label=settings.label)
        session = token.open(rw=True, user_pin=pin)
    except (PinIncorrect, PinLocked) as error:
        name = type(error).__name__
        raise WrongPin(f"the token {settings.label!r} does not accept the PIN ({name})") from error
    except PKCS11Error as error:
        name = type(error).__name__
        raise OperatorError(f"cannot open the token {settings.label!r} ({name})") from error
    except (OSError, RuntimeError) as error:
        raise OperatorError(f"cannot load the module {settings.module}: {error}") from error
    with _translated(), session:
        yield session


def read_pin(path: Path) -> str:
    """Return the PIN in a file that its owner alone can read.

    Raises:
        OperatorError: no such file, others can read it, or it is empty.
    """
    try:
        if path.stat().st_mode & _SAFE_MODE:
            raise OperatorError(f"others can read the PIN file {path}; run: chmod 600 {path}")
        pin = path.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"cannot read the PIN file {path}: {error}") from error
    if not pin:
        raise OperatorError(f"the PIN file {path} is empty")
    return pin


class Pkcs11Token:
    """The vault's keys in one open session; see `interface.Token`."""

    def __init__(self, session: pkcs11.Session, module: str) -> None:
        """Find the vault's keys. `module` is the path that the session was opened from.

        Raises:
            OperatorError: a key is missing or there twice, or no wrapping mechanism will do.
        """
        self._session = session
        self._wrap = vault_keys.find_one(session, vault_keys.WRAP, ObjectClass.SECRET_KEY)
        self._root = vault_keys.find_one(session, vault_keys.ROOT, ObjectClass.SECRET_KEY)
        self._wrap_mechanism = _wrap_mechanism(session)
        self._curve = vault_keys.curve(session)
        public = vault_keys.find_one(session, vault_keys.IDENTITY, ObjectClass.PUBLIC_KEY)
        private = vault_keys.find_one(session, vault_keys.IDENTITY, ObjectClass.PRIVATE_KEY)
        handle: int = session.handle  # type: ignore[attr-defined]  # its stubs leave it out
        self._native = NativeSession(module, handle, self._wrap_mechanism.value)
        self._unwrapping_key = _session_copy(self._wrap)
        self._identity_key = _session_copy(private)
        point = decode_ec_point(public[Attribute.EC_POINT])
        self.identity = TokenKey(self._native, self._identity_key.handle, point)

    def generate_oprf_key(self, *, resident: bool) -> StoredOprfKey:
        """Make a fresh OPRF key inside the token and return what a record keeps of it."""
        with _translated():
            public, private = self._curve.generate_keypair(
                store=False,
                capabilities=MechanismFlag.DERIVE,
                private_template=_RESIDENT_OPRF_KEY if resident else _FRESH_OPRF_KEY,
            )
            with _destroyed(public):
                point = decode_ec_point(public[Attribute.EC_POINT]).encode()
            if resident:
                private[Attribute.ID] = point
                return StoredOprfKey(point, None)
            with _destroyed(private):
                wrapped = self._wrap.wrap_key(private, mechanism=self._wrap_mechanism)
        return StoredOprfKey(point, wrapped)

    def destroy_oprf_key(self, public_key: bytes) -> bool:
        """Destroy a resident key; return whether it was there."""
        with _translated():
            found = self._resident(public_key)
            for private in found:
                private.destroy()
        return bool(found)

    def resident_oprf_keys(self) -> tuple[bytes, ...]:
        """Return the public keys, 33 bytes each, of all resident keys."""
        with _translated():
            keys = self._session.get_objects(_RESIDENT)
            return tuple(bytes(key[Attribute.ID]) for key in keys)

    @contextmanager
    def oprf_key(self, stored: StoredOprfKey) -> Iterator[TokenKey]:
        """Lend a resident key, or unwrap one as a session object for the time of the block."""
        public_key = Element.decode(stored.public_key, "oprf public key")
        if stored.wrapped is None:
            yield TokenKey(self._native, self._resident_handle(stored.public_key), public_key)
            return
        handle = self._native.unwrap(self._unwrapping_key.handle, stored.wrapped)
        try:
            yield TokenKey(self._native, handle, public_key)
        finally:
            self._native.destroy(handle)

    def _resident_handle(self, public_key: bytes) -> int:
        with _translated():
            found = self._resident(public_key)
        if len(found) != 1:
            raise TokenError(f"the token has {len(found)} keys for one record")
        return int(found[0].handle)

    def _resident(self, public_key: bytes) -> list[vault_keys.TokenObject]:
        return list(self._session.get_objects({**_RESIDENT, Attribute.ID: public_key}))

    def derive_secret(self, label: str) -> bytes:
        """Return HMAC-SHA-256(strongroom.root, label), 32 bytes."""
        with _translated():
            return bytes(self._root.sign(label.encode(), mechanism=Mechanism.SHA256_HMAC))

    def read_anchor(self) -> Anchored | None:
        """Return what the anchor remembers, None where it remembers nothing."""
        with _translated():
            return anchor_slots.newest(anchor_slots.read_slots(self._session))

    def advance_anchor(self, expected: Anchored, new: Anchored) -> Anchored | None:
        """Remember `new` if the anchor holds `expected`; return what it holds afterwards."""
        with _translated():
            return anchor_slots.advance(self._session, expected, new)


class TokenKey:
    """A P-256 private key in the token: an OprfKey and an AkePrivateKey of `strongroom.opaque`."""

    def __init__(self, native: NativeSession, handle: int, public_key: Element) -> None:
        self._native = native
        self._handle = handle
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
    def never_leaves(self) -> bool:
        """Whether the token says that it would not let the key out."""
        native = self._native
        is_sensitive = native.flag(self._handle, CKA_SENSITIVE)
        return is_sensitive and not native.flag(self._handle, CKA_EXTRACTABLE)

    def _ecdh(self, point: Element) -> bytes:
        return self._native.multiply(self._handle, point.encode_uncompressed())


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


def _wrap_mechanism(session: pkcs11.Session) -> Mechanism:
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


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except PKCS11Error as error:
        is_lost = isinstance(error, _SESSION_LOST)
        raise TokenError(type(error).__name__, is_session_lost=is_lost) from error
