"""Tries every operation that the vault needs on a token, and says what each answer means.

Runs as a process of its own, `python -m strongroom_vault.hsm.token.diagnostics`: a module that
crashes or hangs ends it, and what was found until then is known. It takes TokenSettings as JSON on
stdin and prints one Finding a line. It works with keys of its own, made and used by the code that
serves, and destroys them again, with those that a run that died has left.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import msgspec
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import PKCS11Error
from pkcs11.util.ec import encode_named_curve_parameters

from strongroom_protocol.opaque.group import GENERATOR, Element, Scalar, scalar_multiply
from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token import anchor_slots, quirks, vault_keys
from strongroom_vault.hsm.token.interface import TokenError
from strongroom_vault.hsm.token.native import NativeOperations
from strongroom_vault.hsm.token.pkcs11 import (
    Pkcs11Token,
    TokenKey,
    hot_operations,
    open_session,
    wrap_mechanism,
)
from strongroom_vault.hsm.token.self_test import check_key, check_secrets
from strongroom_vault.ledger.head import Anchored
from strongroom_vault.platform.hardening import harden
from strongroom_vault.records.record import StoredOprfKey
from strongroom_vault.settings.token_settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pkcs11

Residency: TypeAlias = Literal["wrapped", "token"]
BOTH: Final[tuple[Residency, ...]] = ("wrapped", "token")

LABELS: Final = vault_keys.Labels("strongroom.doctor")
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


class Finding(msgspec.Struct, frozen=True):
    """One thing that was tried.

    Attributes:
        check: what.
        state: "ok"; "failed"; or "note" for what an operator should know.
        detail: the token's own answer, or what was seen.
        meaning: what follows from a failure.
        hint: what an operator may do about it.
        needed_for: the residencies that cannot be used if this failed.
    """

    check: str
    state: Literal["ok", "failed", "note"]
    detail: str
    meaning: str = ""
    needed_for: tuple[Residency, ...] = ()
    hint: str = ""


class CheckFailed(Exception):
    """The token answered, and the answer will not do; the message says what it was."""


class CheckNote(Exception):
    """Neither good nor bad, but worth knowing."""


def examine(settings: TokenSettings) -> Iterator[Finding]:
    """Try everything; stop early where nothing more can be tried."""
    try:
        with open_session(settings) as session:
            yield Finding("open", "ok", _identity(session))
            yield from _examine_session(session, settings.module)
    except (OperatorError, TokenError) as error:
        meaning = "Nothing can be tried without it."
        yield Finding("open", "failed", str(error), meaning, BOTH, _hint(error))


def _examine_session(session: pkcs11.Session, module: str) -> Iterator[Finding]:
    yield _try("mechanisms", _mechanisms, session, meaning="The vault needs all of them.")
    yield _try(
        "wrapping mechanism",
        lambda tried: wrap_mechanism(tried).name,
        session,
        meaning="Records cannot hold keys.",
    )
    yield _try("fast path", lambda tried: _fast_path(tried, module), session, needed_for=())
    _clean(session)
    try:
        with _keys(session, module) as token:
            yield Finding("make keys", "ok", "AES-256, P-256, HMAC secret: all inside")
            yield from _examine_keys(session, module, token)
    except (OperatorError, TokenError, PKCS11Error) as error:
        meaning = "The vault's own keys could not be made here."
        yield Finding("make keys", "failed", _said(error), meaning, BOTH)
    yield from _vault_keys(session)


def _examine_keys(session: pkcs11.Session, module: str, token: Pkcs11Token) -> Iterator[Finding]:
    yield _try(
        "identity key",
        lambda tried: _sound(tried.identity),
        token,
        meaning="Points are multiplied wrongly, or the key can leave the token.",
    )
    yield _try("RFC 9497 vectors", lambda tried: _known_answers(tried, module), session)
    yield _try("HMAC-SHA-256", _secrets, token, meaning="No key of the vault can be derived.")
    yield _try(
        "wrapped keys",
        _wrapped,
        token,
        meaning="Records cannot hold keys, and each worker tries it before it serves.",
    )
    yield _try(
        "resident keys",
        _resident,
        token,
        needed_for=("token",),
        meaning='residency = "token" cannot be used; "wrapped" may still work.',
    )
    yield _try(
        "anchor",
        _anchor,
        session,
        meaning="The token cannot remember the newest commit: nothing would stop an old database.",
    )
    yield _try("session copies", _copies, session, needed_for=())


def _try(
    check: str,
    work: Callable[[Any], str],
    argument: object,
    *,
    needed_for: tuple[Residency, ...] = BOTH,
    meaning: str = "",
) -> Finding:
    """Run one check; whatever the token answers is a finding."""
    try:
        return Finding(check, "ok", work(argument))
    except CheckNote as note:
        return Finding(check, "note", str(note))
    except (CheckFailed, OperatorError, TokenError, PKCS11Error) as error:
        return Finding(check, "failed", _said(error), meaning, needed_for)


def _identity(session: pkcs11.Session) -> str:
    token = session.token
    quirk = quirks.of(token).name
    parts = (token.label, token.manufacturer_id, token.model, quirk and f"quirk: {quirk}")
    return ", ".join(part.strip() for part in parts if part)


def _mechanisms(session: pkcs11.Session) -> str:
    offered = session.token.slot.get_mechanisms()
    missing = [mechanism.name for mechanism in _MECHANISMS if mechanism not in offered]
    if missing:
        raise CheckFailed(f"missing: {', '.join(missing)}")
    return ", ".join(mechanism.name for mechanism in _MECHANISMS)


def _fast_path(session: pkcs11.Session, module: str) -> str:
    if isinstance(hot_operations(session, module), NativeOperations):
        return "recoveries go straight to the module's functions"
    raise CheckNote("recoveries go through python-pkcs11, which costs a third more CPU time")


@contextmanager
def _keys(session: pkcs11.Session, module: str) -> Iterator[Pkcs11Token]:
    try:
        vault_keys.create_missing_keys(session, LABELS)
        yield Pkcs11Token(session, module, LABELS)
    finally:
        _clean(session)


def _clean(session: pkcs11.Session) -> None:
    for label in (*dict(LABELS.keys), LABELS.oprf, *LABELS.anchor):
        for found in list(session.get_objects({Attribute.LABEL: label, Attribute.TOKEN: True})):
            found.destroy()


def _sound(key: TokenKey) -> str:
    check_key(key)
    return "multiplies rightly, is sensitive and not extractable"


def _known_answers(session: pkcs11.Session, module: str) -> str:
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
        private = session.create_object(template)
    except PKCS11Error as error:
        raise CheckNote(f"no key can be brought in ({_said(error)}); tried with its own") from error
    try:
        hot = hot_operations(session, module)
        scalar = Scalar.decode(bytes.fromhex(_RFC_9497_KEY))
        key = TokenKey(hot, hot.key(private), scalar_multiply(scalar, GENERATOR))
        for blinded, evaluated in _RFC_9497:
            if key.evaluate(Element.decode(bytes.fromhex(blinded))).encode().hex() != evaluated:
                raise CheckFailed("another answer than the RFC's")
    finally:
        private.destroy()
    return "P256-SHA256, both evaluations"


def _secrets(token: Pkcs11Token) -> str:
    check_secrets(token)
    return "the same for the same label, another for another"


def _wrapped(token: Pkcs11Token) -> str:
    stored = token.generate_oprf_key(resident=False)
    with token.oprf_key(stored) as key:
        check_key(key)
    if stored.wrapped is None:
        raise CheckFailed("the key was not wrapped")
    damaged = StoredOprfKey(stored.public_key, os.urandom(len(stored.wrapped)))
    try:
        with token.oprf_key(damaged):
            raise CheckFailed("random bytes are unwrapped as a key")
    except TokenError:
        return f"made, wrapped ({len(stored.wrapped)} bytes), unwrapped, used; damage is refused"


def _resident(token: Pkcs11Token) -> str:
    stored = token.generate_oprf_key(resident=True)
    with token.oprf_key(stored) as key:
        check_key(key)
    if not token.destroy_oprf_key(stored.public_key) or token.resident_oprf_keys():
        raise CheckFailed("a key is still there after it was destroyed")
    return "made, found by its id, used, destroyed"


def _anchor(session: pkcs11.Session) -> str:
    values = [Anchored(epoch, bytes([epoch]) * 32) for epoch in range(4)]
    anchor_slots.replace(session, values[0], LABELS.anchor)
    for before, after in pairwise(values):
        if anchor_slots.advance(session, before, after, LABELS.anchor) != after:
            raise CheckFailed("the token does not keep what was written")
    if anchor_slots.advance(session, values[0], values[1], LABELS.anchor) != values[-1]:
        raise CheckFailed("an old value replaces a newer one")
    return "two objects whose CKA_ID can be changed"


def _copies(session: pkcs11.Session) -> str:
    key = vault_keys.find_one(session, LABELS.wrap, ObjectClass.SECRET_KEY)
    try:
        key.copy({Attribute.TOKEN: False}).destroy()
    except PKCS11Error as error:
        raise CheckNote(f"none ({_said(error)}); the token may be slower") from error
    return "made; a token may read its own keys from disk at each use"


def _vault_keys(session: pkcs11.Session) -> Iterator[Finding]:
    """The keys of the vault that lives here, if one does."""
    labels = vault_keys.VAULT
    existing = vault_keys.existing_labels(session)
    if not existing:
        yield Finding("vault's keys", "note", "none yet: strongroom-vault init makes them")
        return
    yield _try("wrap keys", _wrap_keys, session, meaning="The vault will not start.")
    for label, kind in labels.keys:
        if kind is not ObjectClass.PUBLIC_KEY and label != labels.wrap:
            yield _try(
                label,
                partial(_attributes, label=label, kind=kind),
                session,
                meaning="Somebody made or changed this key otherwise than init does.",
            )
    yield _try("anchor's value", _anchor_value, session, meaning="The vault will not serve.")


def _wrap_keys(session: pkcs11.Session) -> str:
    keys = vault_keys.find_wrap_keys(session)
    said = [f"number {number}: {_attributes_of(key)}" for number, key in keys.items()]
    if len(keys) > 1:
        raise CheckNote(f"{'; '.join(said)}; a rotation was cut off: run rotate-wrap-key")
    return said[0]


def _attributes(session: pkcs11.Session, label: str, kind: ObjectClass) -> str:
    return _attributes_of(vault_keys.find_one(session, label, kind))


def _attributes_of(key: vault_keys.TokenObject) -> str:
    if not key[Attribute.SENSITIVE] or key[Attribute.EXTRACTABLE]:
        raise CheckFailed("the token would let it out")
    usages = [usage.name for usage in _USAGES if _flag(key, usage)]
    return f"sensitive, never extractable; may {', '.join(usages).lower()}"


def _flag(key: vault_keys.TokenObject, attribute: Attribute) -> bool:
    try:
        return bool(key[attribute])
    except PKCS11Error:
        return False  # an attribute that this kind of key does not have


def _anchor_value(session: pkcs11.Session) -> str:
    found = anchor_slots.look(session)
    if found is None:
        raise CheckFailed("the token remembers no commit")
    return f"commit {found.epoch}"


def _hint(error: Exception) -> str:
    return error.hint if isinstance(error, OperatorError) else ""


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__


if __name__ == "__main__":
    harden()  # it reads the PIN, and is where a module is most likely to crash
    for finding in examine(msgspec.json.decode(sys.stdin.buffer.read(), type=TokenSettings)):
        sys.stdout.buffer.write(msgspec.json.encode(finding) + b"\n")
        sys.stdout.buffer.flush()
