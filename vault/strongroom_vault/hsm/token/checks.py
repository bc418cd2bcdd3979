"""What `diagnostics.py` tries on a token, one function for each check.

Each returns what an operator reads of a success, and raises CheckFailed, CheckNote, or whatever the
token's own answer was.
"""

from __future__ import annotations

import os
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from strongroom_protocol.opaque.group import GENERATOR, Element, Scalar
from strongroom_protocol.opaque.multiplication import scalar_multiply
from strongroom_vault.hsm.token import quirks, vault_keys
from strongroom_vault.hsm.token.anchor_slots import AnchorSlots
from strongroom_vault.hsm.token.errors import TokenError
from strongroom_vault.hsm.token.hot_operations import hot_operations
from strongroom_vault.hsm.token.native import NativeOperations
from strongroom_vault.hsm.token.objects import as_object
from strongroom_vault.hsm.token.self_test import check_key, check_secrets
from strongroom_vault.hsm.token.token_key import TokenKey
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.records.record import StoredOprfKey

if TYPE_CHECKING:
    import pkcs11

    from strongroom_vault.hsm.token.objects import TokenObject
    from strongroom_vault.hsm.token.token_keys import TokenKeys

LABELS: Final = vault_keys.Labels("strongroom.doctor")
"""Of the keys that are made to try the token."""
_MECHANISMS: Final = (
    Mechanism.EC_KEY_PAIR_GEN,
    Mechanism.ECDH1_DERIVE,
    Mechanism.AES_KEY_GEN,
    Mechanism.GENERIC_SECRET_KEY_GEN,
    Mechanism.SHA256_HMAC,
)
# RFC 9497 appendix A.3.1 (P256-SHA256, mode OPRF): the key, and the elements of both vectors.
_RFC_9497_KEY: Final = "159749d750713afe245d2d39ccfaae8381c53ce92d098a9375ee70739c7ac0bf"
_RFC_9497: Final = (
    (
        "03723a1e5c09b8b9c18d1dcbca29e8007e95f14f4732d9346d490ffc195110368d",
        "030de02ffec47a1fd53efcdd1c6faf5bdc270912b8749e783c7ca75bb412958832",
    ),
    (
        "03cc1df781f1c2240a64d1c297b3f3d16262ef5d4cf102734882675c26231b0838",
        "03a0395fe3828f2476ffcd1f4fe540e5a8489322d398be3c4e5a869db7fcb7c52c",
    ),
)
_USAGES: Final = (
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)


class CheckFailed(Exception):
    """The token answered, but the vault cannot work with that; the message says what it was."""


class CheckNote(Exception):
    """Neither a success nor a failure, but worth knowing."""


def identity(session: pkcs11.Session) -> str:
    """Return what the token says of itself, and its quirk."""
    token = session.token
    quirk = quirks.of(token).name
    parts = (token.label, token.manufacturer_id, token.model, quirk and f"quirk: {quirk}")
    return ", ".join(part.strip() for part in parts if part)


def mechanisms(session: pkcs11.Session) -> str:
    """The token has every mechanism that the vault needs."""
    offered = session.token.slot.get_mechanisms()
    missing = [mechanism.name for mechanism in _MECHANISMS if mechanism not in offered]
    if missing:
        raise CheckFailed(f"missing: {', '.join(missing)}")
    return ", ".join(mechanism.name for mechanism in _MECHANISMS)


def fast_path(session: pkcs11.Session, module: str) -> str:
    """`native.py` works with the module."""
    if isinstance(hot_operations(session, module), NativeOperations):
        return "recoveries go straight to the module's functions"
    raise CheckNote("recoveries go through python-pkcs11, which costs a third more CPU time")


def sound(key: TokenKey) -> str:
    """A key multiplies as its public key demands, and cannot be extracted."""
    check_key(key)
    return "multiplies correctly, is sensitive and not extractable"


def known_answers(session: pkcs11.Session, module: str) -> str:
    """The vectors of RFC 9497, with their key imported into the token."""
    template = {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1"),
        Attribute.VALUE: bytes.fromhex(_RFC_9497_KEY),
        Attribute.TOKEN: False,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.DERIVE: True,
    }
    try:
        private = as_object(session.create_object(template))
    except PKCS11Error as error:
        raise CheckNote(
            f"no key can be imported ({describe(error)}); tried with its own"
        ) from error
    try:
        hot = hot_operations(session, module)
        scalar = Scalar.decode(bytes.fromhex(_RFC_9497_KEY))
        key = TokenKey(hot, hot.key(private), scalar_multiply(scalar, GENERATOR))
        for blinded, evaluated in _RFC_9497:
            if key.evaluate(Element.decode(bytes.fromhex(blinded))).encode().hex() != evaluated:
                raise CheckFailed("the answer is not the RFC's")
    finally:
        private.destroy()
    return "P256-SHA256, both evaluations"


def secrets(keys: TokenKeys) -> str:
    """Secrets can be derived from labels."""
    check_secrets(keys)
    return "equal for equal labels, different for different ones"


def wrapped_keys(keys: TokenKeys) -> str:
    """An OPRF key can be wrapped, unwrapped and used, and damage is noticed."""
    stored = keys.oprf_keys.generate(resident=False)
    with keys.oprf_keys.lend(stored) as key:
        check_key(key)
    if stored.wrapped is None:
        raise CheckFailed("the key was not wrapped")
    damaged = StoredOprfKey(stored.public_key, os.urandom(len(stored.wrapped)))
    try:
        with keys.oprf_keys.lend(damaged):
            raise CheckFailed("random bytes are unwrapped as a key")
    except TokenError:
        return f"made, wrapped ({len(stored.wrapped)} bytes), unwrapped, used; damage is refused"


def resident_keys(keys: TokenKeys) -> str:
    """An OPRF key can stay in the token, be found there, and be destroyed."""
    stored = keys.oprf_keys.generate(resident=True)
    with keys.oprf_keys.lend(stored) as key:
        check_key(key)
    if not keys.oprf_keys.destroy(stored.public_key) or keys.oprf_keys.list_resident():
        raise CheckFailed("a key is still there after it was destroyed")
    return "made, found by its id, used, destroyed"


def anchor(session: pkcs11.Session) -> str:
    """An anchor can be made, moved, and not moved back."""
    values = [Anchored(epoch, bytes([epoch]) * 32) for epoch in range(4)]
    slots = AnchorSlots(session, LABELS.anchor)
    slots.replace(values[0])
    for before, after in pairwise(values):
        if slots.advance(before, after) != after:
            raise CheckFailed("the token does not keep what was written")
    if slots.advance(values[0], values[1]) != values[-1]:
        raise CheckFailed("an old value replaces a newer one")
    return "two objects whose CKA_ID can be changed"


def copies(session: pkcs11.Session) -> str:
    """The token copies its own keys into the session."""
    key = vault_keys.find_one(session, LABELS.wrap, ObjectClass.SECRET_KEY)
    try:
        key.copy({Attribute.TOKEN: False}).destroy()
    except PKCS11Error as error:
        raise CheckNote(f"none ({describe(error)}); the token may be slower") from error
    return "made; a token may read its own keys from disk at each use"


def wrap_keys(session: pkcs11.Session) -> str:
    """The wrap keys of this token's vault."""
    keys = vault_keys.find_wrap_keys(session)
    described = [f"number {number}: {_attributes_of(key)}" for number, key in keys.items()]
    if len(keys) > 1:
        raise CheckNote(f"{'; '.join(described)}; a rotation was cut off: run rotate-wrap-key")
    return described[0]


def attributes(session: pkcs11.Session, label: str, kind: ObjectClass) -> str:
    """One key of this token's vault, by label and class."""
    return _attributes_of(vault_keys.find_one(session, label, kind))


def _attributes_of(key: TokenObject) -> str:
    if not key[Attribute.SENSITIVE] or key[Attribute.EXTRACTABLE]:
        raise CheckFailed("it is extractable, or not sensitive")
    usages = [usage.name for usage in _USAGES if _flag(key, usage)]
    return f"sensitive, never extractable; may {', '.join(usages).lower()}"


def _flag(key: TokenObject, attribute: Attribute) -> bool:
    try:
        return bool(key[attribute])
    except PKCS11Error:
        return False  # an attribute that this kind of key does not have


def anchor_value(session: pkcs11.Session) -> str:
    """What the anchor of this token's vault holds."""
    value = AnchorSlots(session).read()
    if value is None:
        raise CheckFailed("the token remembers no commit")
    return f"commit {value.epoch}"


def describe(error: Exception) -> str:
    """Return an error's message, or its name: those of python-pkcs11 have none."""
    return str(error) or type(error).__name__
