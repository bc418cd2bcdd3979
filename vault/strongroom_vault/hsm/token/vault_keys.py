"""The vault's own keys in the token: made once by `strongroom-vault init`, found by label.

    strongroom.wrap      AES-256, wraps OPRF keys; its number (4 bytes, or none for 0) is its CKA_ID
    strongroom.identity  P-256 key pair, the vault's identity
    strongroom.root      generic secret of 32 bytes, HMAC-SHA-256

No key can be extracted. Zero or two objects with a label is an error that names the label; only of
wrap keys there are two, with different numbers, while a rotation is under way.

    strongroom.oprf      the OPRF keys of accounts that stay in the token: CKA_ID = public key
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from strongroom_vault.errors import OperatorError
from strongroom_vault.hsm.token.objects import find_objects

if TYPE_CHECKING:
    import pkcs11

    from strongroom_vault.hsm.token.objects import Template, TokenObject

KEY_BITS: Final = 256
MAX_WRAP_KEYS: Final = 2
_NUMBER_SIZE: Final = 4


class Labels:
    """What the objects of one vault are called in its token: CKA_LABEL."""

    def __init__(self, prefix: str) -> None:
        self.wrap: Final = f"{prefix}.wrap"
        self.identity: Final = f"{prefix}.identity"
        self.root: Final = f"{prefix}.root"
        self.oprf: Final = f"{prefix}.oprf"
        self.anchor: Final = (f"{prefix}.anchor.a", f"{prefix}.anchor.b")

    @property
    def keys(self) -> tuple[tuple[str, ObjectClass], ...]:
        """The vault's own keys, each with its class."""
        return (
            (self.wrap, ObjectClass.SECRET_KEY),
            (self.identity, ObjectClass.PRIVATE_KEY),
            (self.identity, ObjectClass.PUBLIC_KEY),
            (self.root, ObjectClass.SECRET_KEY),
        )


VAULT: Final = Labels("strongroom")

NON_EXTRACTABLE: Final[Template] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
}


_NEW: Final = (
    "strongroom-vault init makes the keys of a new vault. Of an old one, this is not the token."
)


def find_one(session: pkcs11.Session, label: str, object_class: ObjectClass) -> TokenObject:
    """Return the one object of a class with a label.

    Raises:
        OperatorError: it has none, or more than one.
    """
    objects = _find(session, label, object_class)
    if len(objects) != 1:
        raise OperatorError(
            f"the token has {len(objects)} objects of class {object_class.name} with the label"
            f" {label}, and the vault needs exactly one",
            "" if objects else _NEW,
        )
    return objects[0]


def find_wrap_keys(session: pkcs11.Session, labels: Labels = VAULT) -> dict[int, TokenObject]:
    """Return the wrap keys by number, ascending: one, or two while a rotation is under way.

    Raises:
        OperatorError: it has none, or more than two, or two with one number.
    """
    objects = _find(session, labels.wrap, ObjectClass.SECRET_KEY)
    keys = {int.from_bytes(key[Attribute.ID]): key for key in objects}
    # More would mean that somebody else made one. Which of them wrapped a record would be a guess.
    if not 1 <= len(keys) == len(objects) <= MAX_WRAP_KEYS:
        raise OperatorError(
            f"the token has {len(objects)} objects of class SECRET_KEY with the label"
            f" {labels.wrap}, and the vault needs one, or two with different CKA_IDs during a"
            " rotation",
            "" if objects else _NEW,
        )
    return dict(sorted(keys.items()))


def make_wrap_key(session: pkcs11.Session, number: int, labels: Labels = VAULT) -> None:
    """Make a wrap key."""
    session.generate_key(
        KeyType.AES,
        KEY_BITS,
        label=labels.wrap,
        id=number.to_bytes(_NUMBER_SIZE) if number else b"",
        store=True,
        capabilities=MechanismFlag.WRAP | MechanismFlag.UNWRAP,
        template=NON_EXTRACTABLE,
    )


def existing_labels(session: pkcs11.Session, labels: Labels = VAULT) -> list[str]:
    """Return the labels of the vault's keys with any object in the token."""
    return sorted({label for label, kind in labels.keys if _find(session, label, kind)})


def missing_labels(session: pkcs11.Session, labels: Labels = VAULT) -> list[str]:
    """Return the labels of the vault's keys of which an object is missing."""
    return sorted({label for label, kind in labels.keys if not _find(session, label, kind)})


def _find(session: pkcs11.Session, label: str, object_class: ObjectClass) -> list[TokenObject]:
    """Objects of the token; copies that live with a session do not count."""
    template: Template = {
        Attribute.LABEL: label,
        Attribute.CLASS: object_class,
        Attribute.TOKEN: True,
    }
    return find_objects(session, template)


def create_missing_keys(session: pkcs11.Session, labels: Labels = VAULT) -> None:
    """Make those of the vault's keys that the open token lacks; leave the others as they are.

    Raises:
        OperatorError: the token has only half of a key pair.
    """
    missing = missing_labels(session, labels)
    # Half of a pair cannot be completed, and with a second pair beside it there would be two
    # objects with one label, which `find_one` refuses.
    if half := set(missing) & set(existing_labels(session, labels)):
        raise OperatorError(
            f"the token has half of the key pair {half.pop()}, left by an init that was cut off;"
            " destroy that object and run init again"
        )
    # Those that are there stay: an init that was cut off is completed, and the keys of a vault that
    # has records already are never replaced.
    if labels.wrap in missing:
        make_wrap_key(session, 0, labels)
    if labels.root in missing:
        session.generate_key(
            KeyType.GENERIC_SECRET,
            KEY_BITS,
            label=labels.root,
            store=True,
            capabilities=MechanismFlag.SIGN,
            template=NON_EXTRACTABLE,
        )
    if labels.identity in missing:
        curve(session).generate_keypair(
            label=labels.identity,
            store=True,
            capabilities=MechanismFlag.DERIVE,
            private_template={**NON_EXTRACTABLE, Attribute.DERIVE: True, Attribute.SIGN: False},
        )


def curve(session: pkcs11.Session) -> pkcs11.DomainParameters:
    """Return P-256 as domain parameters, which need no object in the token."""
    return session.create_domain_parameters(
        KeyType.EC,
        {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")},
        local=True,
    )
